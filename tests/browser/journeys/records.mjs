// Invoices, clients and what needs a person: a click syncs, a hold is answered by keyboard alone, a refusal is tried again, drafts are
// approved, a change in the ledger is answered; and each of those pages is looked at, empty and full.

import { press } from "./keyboard.mjs";

const EMPTY = [
  ["/invoices", "invoices-empty"],
  ["/clients", "clients-empty"],
  ["/clients/new", "client-new"],
  ["/settings/attention", "attention-empty"],
  ["/settings/backfill", "backfill-empty"],
  ["/settings/drift", "drift-empty"],
  ["/settings/audit", "activity-empty"],
];

export async function journey(world) {
  const owner = await world.person("owner");
  for (const [path, name] of EMPTY) await owner.inspect(path, name);
  for (const ledger of ["xero", "quickbooks"]) {
    await world.consents(ledger);
    await owner.connect(ledger);
  }
  const first = await click(world, owner);
  await hold(world, owner);
  const third = await refusal(world, owner);
  await approval(owner);
  await change(world, owner, first);

  await owner.inspect(`/invoices/${first.invoice}`, "invoice");
  await owner.inspect("/invoices", "invoices");
  await owner.inspect("/clients", "clients");
  await owner.inspect(`/clients/${first.client}`, "client");
  await owner.inspect("/settings/backfill?ledger=xero&plan=yes&from=2020-01-01&to=&status=", "backfill-plan");
  await backfill(owner);
  await owner.inspect("/settings/audit", "activity");

  const member = await world.person("member");
  await member.inspect(`/invoices/${third.invoice}`, "invoice-member");
  world.same(await member.page.locator("nav.side a[href='/settings/attention']").count(), 0, "C21: what is for admins is not offered to a member");
}

/** A client and an invoice that was sent to it. */
async function sent(world, number, name, email) {
  const today = new Date();
  const day = (offset) => new Date(today.getTime() + offset * 86_400_000).toISOString().slice(0, 10);
  const client = await world.api("owner", "POST", "/v1/clients", { name, email });
  world.same(client.status, 201, JSON.stringify(client.json));
  const invoice = await world.api("owner", "POST", "/v1/invoices", {
    number,
    client_id: client.json.id,
    currency: "GBP",
    issue_date: day(0),
    due_date: day(30),
    lines: [
      { description: "Design of the spring catalogue, twelve pages with cover", quantity: "1", unit_price: "1250.00", tax_rate: "20" },
      { description: "Hosting", quantity: "2.5", unit_price: "10.00", tax_rate: "20" },
    ],
  });
  world.same(invoice.status, 201, JSON.stringify(invoice.json));
  const posted = await world.api("owner", "POST", `/v1/invoices/${invoice.json.id}/send`, {});
  world.same(posted.status, 200, JSON.stringify(posted.json));
  return { invoice: invoice.json.id, client: client.json.id };
}

async function sync(owner, invoice) {
  await owner.go(`/invoices/${invoice}`);
  await owner.card("xero").getByRole("button", { name: "Sync now" }).click();
}

// R37, R63.
async function click(world, owner) {
  const first = await sent(world, "INV-0001", "Ann Archer", "ann@archer.example");
  await owner.go(`/invoices/${first.invoice}`);
  await owner.sees("Not synced yet");
  await owner.inspect(`/invoices/${first.invoice}/sync/xero/changes`, "invoice-changes");
  await sync(owner, first.invoice);
  await owner.sees("The invoice is in Xero");
  return first;
}

// R44, C3: two contacts have the client's address. Who has no mouse answers all the same; a member does not.
async function hold(world, owner) {
  const { page } = owner;
  await world.control("xero", "seed", {
    contacts: [
      { name: "Baker & Sons", email: "bea@baker.example" },
      { name: "Baker & Daughters", email: "bea@baker.example" },
    ],
  });
  const second = await sent(world, "INV-0002", "Bea Baker", "bea@baker.example");
  await sync(owner, second.invoice);
  await owner.sees("One question first");
  await owner.inspect(`/invoices/${second.invoice}`, "invoice-hold");
  await owner.inspect("/settings/attention", "attention-hold");
  const member = await world.person("member");
  await member.go(`/invoices/${second.invoice}`);
  world.same(await member.page.locator("button[name=choice]").count(), 0, "C21: no answers for a member");
  await owner.go(`/invoices/${second.invoice}`);
  const answer = (await page.locator("button[name=choice]").first().textContent()).trim();
  await press(world, page, (focus) => focus.text === answer.slice(0, 60).trim());
  await page.waitForURL((url) => url.search.includes("did="));
  await owner.seesNot("One question first");
}

// C19: what the ledger did not accept is tried again from the list.
async function refusal(world, owner) {
  const { page } = owner;
  const third = await sent(world, "INV-0003", "Cay Carter", "cay@carter.example");
  const body = JSON.stringify({
    ErrorNumber: 10,
    Type: "ValidationException",
    Message: "A validation exception occurred",
    Elements: [{ ValidationErrors: [{ Message: "The description is not allowed" }] }],
  });
  const headers = { "content-type": "application/json" };
  const faults = ["PUT", "POST"].map((method) => ({ method, match: "/Invoices", kind: "status", status: 400, headers, body }));
  await world.control("xero", "faults", faults);
  await sync(owner, third.invoice);
  await owner.sees("Xero did not accept it");
  await owner.inspect(`/invoices/${third.invoice}`, "invoice-refused");
  world.same(await page.locator(".timeline li", { hasText: "Xero refused this" }).count(), 1, "a refusal is told once");
  await owner.inspect("/settings/attention", "attention");
  await world.control("xero", "faults", undefined, "DELETE");
  await page.getByRole("button", { name: "Try again" }).click();
  await owner.sees("queued again");
  const reached = page.getByText("Xero has this version of the invoice.");
  for (let look = 0; look < 40 && (await reached.count()) === 0; look += 1) {
    await page.waitForTimeout(250);
    await owner.go(`/invoices/${third.invoice}`);
  }
  world.claim((await reached.count()) > 0, "it went on by itself");
  return third;
}

// C7: what approving every draft would do, and then all of it.
async function approval(owner) {
  const { page } = owner;
  await owner.inspect("/settings/integrations/xero/drafts", "drafts");
  await owner.sees("drafts become approved invoices");
  await page.getByRole("button", { name: /Approve 3 drafts/ }).click();
  await page.getByText("Every draft has been looked at").waitFor({ timeout: 30_000 });
  await owner.inspect(new URL(page.url()).pathname, "drafts-approved");
}

// C30: somebody edits what CoPortal sent; nothing is overwritten without a word.
async function change(world, owner, first) {
  const { page } = owner;
  const { documents } = await world.control("xero", "state");
  const theirs = documents.find((document) => document.number === "INV-0001");
  await world.control("xero", "bookkeeper", { action: "edit_line", document_id: theirs.id, line: 1, unit_price: "12.50" });
  await owner.go("/settings/drift?ledger=xero");
  await page.getByRole("button", { name: "Compare now" }).click();
  await owner.sees("The books are being compared");
  const keep = page.getByRole("button", { name: "Keep theirs" });
  for (let look = 0; look < 60 && (await keep.count()) === 0; look += 1) {
    await page.waitForTimeout(250);
    await owner.go("/settings/drift?ledger=xero");
  }
  await owner.inspect("/settings/drift?ledger=xero", "drift");
  world.same(await page.locator(`a[href^='/invoices/${first.invoice}']`).count(), 1, "the invoice is named");
  await keep.click();
  await owner.sees("Left as it is there");
}

// R36: what is there already is counted, and not sent twice.
async function backfill(owner) {
  const { page } = owner;
  await owner.go("/settings/backfill?ledger=quickbooks&plan=yes&from=2020-01-01&to=&status=");
  await page.getByRole("button", { name: /Send \d+ invoices/ }).click();
  await page.waitForURL(/\/settings\/backfill\/quickbooks\//);
  await owner.inspect(new URL(page.url()).pathname, "backfill");
}
