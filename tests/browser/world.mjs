// What the journeys share: people at browsers, the simulated ledgers, and what has to hold on every page.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** The names of the ledgers as people read them. */
export const LEDGERS = {
  xero: "Xero",
  quickbooks: "QuickBooks Online",
  sage: "Sage Business Cloud Accounting",
  "business-central": "Microsoft Business Central",
};

export class World {
  constructor(browser, setup) {
    Object.assign(this, setup);
    this.browser = browser;
    this.people = [];
    this.claims = 0;
    this.visited = 0;
  }

  /** Claims that something holds. */
  claim(holds, message) {
    this.claims += 1;
    assert.ok(holds, message);
  }

  /** Claims that two things are the same. */
  same(found, expected, message) {
    this.claims += 1;
    assert.deepEqual(found, expected, message);
  }

  /** Somebody at a browser of their own, signed in: `role` is owner, admin or member. */
  async person(role, options = {}) {
    const context = await this.browser.newContext({ baseURL: this.origin, viewport: { width: 1280, height: 900 }, reducedMotion: "reduce", ...options });
    context.setDefaultTimeout(15_000);
    const page = await context.newPage();
    const person = new Person(this, context, page);
    this.people.push(person);
    await person.go(`/__local/sign-in?token=${encodeURIComponent(this.tokens[role])}`);
    return person;
  }

  /** Somebody at a browser who is not signed in. */
  async visitor() {
    const context = await this.browser.newContext({ baseURL: this.origin, viewport: { width: 1280, height: 900 }, reducedMotion: "reduce" });
    context.setDefaultTimeout(15_000);
    const visitor = new Person(this, context, await context.newPage());
    this.people.push(visitor);
    return visitor;
  }

  /** Asks a simulator's control address. */
  async control(ledger, what, body, method = body === undefined ? "GET" : "POST") {
    const response = await fetch(`${this.ledgers[ledger]}/__sim/${what}`, {
      method,
      headers: { "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    assert.ok(response.ok, `${ledger} ${what}: ${response.status}`);
    return response.status === 204 ? null : response.json().catch(() => null);
  }

  /** Asks the API as somebody. */
  async api(role, method, path, body) {
    const response = await fetch(`${this.origin}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.tokens[role]}`, "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    return { status: response.status, json: await response.json().catch(() => null) };
  }

  /** Whoever consents at this ledger from now on says yes, to these organisations or to the first. */
  async consents(ledger, organisations) {
    await this.control(ledger, "consent", { decision: "approve", ...(organisations ? { organisations } : {}) });
  }

  /** Connects a ledger through the API, as the owner: for journeys that are about something else. */
  async connected(...ledgers) {
    const owner = await this.person("owner");
    for (const ledger of ledgers) {
      await this.consents(ledger);
      await owner.connect(ledger);
    }
    return owner;
  }

  async done() {
    for (const person of this.people) {
      this.same(person.trouble, [], "what the browser complained of");
    }
  }
}

export class Person {
  constructor(world, context, page) {
    this.world = world;
    this.context = context;
    this.page = page;
    this.trouble = [];
    const known = [world.origin, ...Object.values(world.ledgers), ...(world.others ?? [])];
    page.on("request", (request) => {
      const url = new URL(request.url());
      if (!known.includes(url.origin)) this.trouble.push(`a request to ${url.origin}`);
      // Pages of ours load nothing from anybody, not even from a ledger: only a person goes there.
      if (!request.isNavigationRequest() && url.origin !== world.origin && page.url().startsWith(world.origin)) {
        this.trouble.push(`${page.url()} asked ${request.url()}`);
      }
    });
    page.on("pageerror", (error) => this.trouble.push(`${page.url()}: ${error.message}`));
    page.on("console", (message) => {
      // A refusal is shown as a page with its status; Chromium names such a status an error.
      const refusal = /Failed to load resource: the server responded with a status of 4\d\d/.test(message.text());
      if (message.type() === "error" && page.url().startsWith(world.origin) && !refusal) this.trouble.push(`${page.url()}: ${message.text()}`);
    });
  }

  async go(path) {
    const response = await this.page.goto(path);
    this.world.visited += 1;
    return response;
  }

  /** What a person sees. */
  async text() {
    return this.page.locator("body").innerText();
  }

  async sees(words) {
    await this.page.getByText(words).first().waitFor();
    this.world.claims += 1;
  }

  async seesNot(words) {
    this.world.claim((await this.page.getByText(words).count()) === 0, `${this.page.url()} says ${words}`);
  }

  card(ledger) {
    return this.page.locator(`section#${ledger}`);
  }

  /** From Settings, Integrations through the ledger's own page and back. */
  async connect(ledger) {
    await this.go("/settings/integrations");
    await this.card(ledger).getByRole("button", { name: `Connect ${LEDGERS[ledger]}` }).click();
    await this.page.waitForURL((url) => url.origin === this.world.origin && url.search.includes("connect"));
  }

  /** What has to hold on every page: its headers, its forms, its accessibility. `name` is the page's picture. */
  async inspect(path, name, { forms = true } = {}) {
    const { world, page } = this;
    const response = await this.go(path);
    const policy = response.headers()["content-security-policy"] ?? "";
    for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]) {
      world.claim(policy.includes(part), `${path}: ${policy}`);
    }
    world.claim(!policy.includes("unsafe"), `${path}: ${policy}`);
    for (const cookie of await this.context.cookies(world.origin)) {
      world.claim(cookie.name.startsWith("__Host-") && cookie.httpOnly && cookie.secure, cookie.name);
    }
    if (forms) await this.checkForms(path);
    for (const scheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme: scheme });
      for (const width of [1280, 390]) {
        await page.setViewportSize({ width, height: 900 });
        await this.accessible(`${path}, ${scheme}, ${width} px`);
        const spills = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        world.claim(spills <= 0, `${path} at ${width} px is ${spills} px too wide`);
        await this.picture(`${name}-${width}-${scheme}`);
      }
    }
    await page.emulateMedia({ colorScheme: "light" });
    await page.setViewportSize({ width: 1280, height: 900 });
  }

  async accessible(where) {
    await this.page.evaluate(axe);
    const violations = await this.page.evaluate(async () => {
      const found = await globalThis.axe.run(document, { resultTypes: ["violations"] });
      return found.violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.slice(0, 3).map((node) => node.html) }));
    });
    this.world.same(violations, [], where);
  }

  async picture(name) {
    if (!this.world.pictures) return;
    mkdirSync(this.world.pictures, { recursive: true });
    await this.page.screenshot({ path: `${this.world.pictures}/${name}.png`, fullPage: true, animations: "disabled" });
  }

  /** Every form that writes carries the token against forged requests, and is refused without it. */
  async checkForms(path) {
    const forms = await this.page.evaluate(() =>
      [...document.forms].filter((form) => form.method === "post").map((form) => {
        const fields = [...new FormData(form)].map(([name, value]) => [name, String(value)]);
        return { action: form.action, fields };
      }),
    );
    for (const { action, fields } of forms) {
      const token = fields.find(([name]) => name === "_csrf")?.[1];
      this.world.claim(token?.length > 20, `${path}: the form to ${action} has no token`);
      for (const forged of [[], [["_csrf", "0".repeat(token.length)]]]) {
        const rest = fields.filter(([name]) => name !== "_csrf").concat(forged);
        const response = await this.context.request.post(action, {
          headers: { origin: this.world.origin, "content-type": "application/x-www-form-urlencoded" },
          data: new URLSearchParams(rest).toString(),
          maxRedirects: 0,
        });
        this.world.same(response.status(), 403, `${path}: ${action} without its token`);
      }
    }
  }
}
