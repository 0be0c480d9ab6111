// Every page, light and dark, wide and narrow: no violation of accessibility, strict headers, forms that cannot be forged. The pictures
// that it takes are those of make screenshots.

import { LEDGERS } from "../world.mjs";
import { seedContacts } from "./integrations.mjs";

export async function journey(world) {
  const stranger = await world.browser.newContext({ baseURL: world.origin });
  const page = await stranger.newPage();
  const refused = await page.goto("/settings/integrations");
  world.same(refused.status(), 401);
  await stranger.close();
  const visitor = await world.visitor();
  // Nobody is signed in there yet, so that their forms carry no session's token.
  await visitor.inspect("/sign-in", "sign-in", { forms: false });
  await visitor.inspect("/sign-in?error=access_denied", "sign-in-refused");
  await visitor.inspect("/sign-in/break-glass", "sign-in-break-glass", { forms: false });
  await visitor.inspect("/settings/integrations", "signed-out");

  const owner = await world.person("owner");
  await owner.inspect("/settings/integrations", "integrations-empty");
  for (const ledger of Object.keys(LEDGERS)) {
    await world.consents(ledger);
    await owner.connect(ledger);
  }
  await owner.inspect("/settings/integrations?connected=xero", "integrations");
  const calls = async () => (await Promise.all(Object.keys(LEDGERS).map((ledger) => world.control(ledger, "calls")))).map((list) => (list.calls ?? list).length);
  const before = await calls();
  await owner.go("/settings/integrations");
  world.same(await calls(), before, "the settings page calls no ledger");
  const size = (await owner.page.content()).length;
  world.claim(size < 60_000, `the settings page is ${size} bytes`);
  await owner.inspect("/settings/integrations?choose=business-central", "change-company");
  await owner.inspect("/settings/integrations?connect_error=access_denied", "connect-refused");
  for (const ledger of Object.keys(LEDGERS)) await owner.inspect(`/settings/integrations/${ledger}/choices`, `choices-${ledger}`);
  await owner.inspect("/settings/integrations/xero/drafts", "drafts-empty");

  await folded(owner);
  await signIn(owner);

  await seedContacts(world, "xero", ["Hazel Hotel", "Ivy Interiors", "Juniper & Sons"]);
  await world.api("owner", "POST", "/v1/clients", { name: "Hazel", email: "hazel.hotel@xero.example" });
  await owner.go("/settings/integrations");
  await owner.card("xero").getByRole("button", { name: "Import contacts" }).click();
  await owner.page.getByText(/\d+ new/).first().waitFor();
  const preview = new URL(owner.page.url()).pathname;
  await owner.inspect(preview, "import");
  await owner.page.getByRole("button", { name: /Import all/ }).click();
  await owner.page.getByText("The import is done").waitFor();
  await owner.inspect(preview, "import-done");

  // C21: a member sees how things stand and no way to change them; the server refuses all the same.
  const member = await world.person("member");
  await member.inspect("/settings/integrations", "integrations-member");
  world.same(await member.page.locator("form").count(), 0, "no form for a member");
  const admins = ["/settings/integrations/xero/choices", "/settings/integrations/xero/drafts", preview];
  for (const path of admins) world.same((await member.go(path)).status(), 403, path);
}

/** The parts that are folded away. */
async function folded(owner) {
  const { page } = owner;
  await owner.go("/settings/integrations");
  for (const summary of await owner.card("xero").locator("summary").all()) await summary.click();
  await owner.accessible("the card of Xero, unfolded");
  await owner.picture("integrations-unfolded-1280-light");
  await page.setViewportSize({ width: 390, height: 900 });
  await owner.picture("integrations-unfolded-390-light");
  await page.setViewportSize({ width: 1280, height: 900 });
}

/** R105: Settings, Single sign-on, before anything is set up and with a domain that is asked for. */
async function signIn(owner) {
  const { page } = owner;
  await owner.inspect("/settings/sso", "sso-empty");
  await page.getByLabel(/domain/i).first().fill("harbourlane.example");
  await page.locator("form[action='/settings/sso/domains'] button").click();
  await owner.sees("TXT");
  await owner.inspect("/settings/sso", "sso");
}
