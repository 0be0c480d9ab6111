// Each ledger is connected, its switches and options are used, its contacts are imported, its company is changed, and it is disconnected.

import { LEDGERS } from "../world.mjs";

export async function journey(world) {
  const owner = await world.person("owner");
  for (const ledger of Object.keys(LEDGERS)) {
    await world.consents(ledger);
    await owner.connect(ledger);
    // C22, R20.
    await owner.sees(`${LEDGERS[ledger]} is connected`);
    await switches(owner, ledger);
    await test(owner, ledger);
    await imports(world, owner, ledger);
  }
  await options(world, owner);
  await accounts(world, owner);
  await drafts(owner);
  await company(world, owner);
  for (const ledger of Object.keys(LEDGERS)) await disconnect(owner, ledger);
}

// R34-R37: two switches, of each ledger its own.
export async function switches(owner, ledger) {
  const { world, page } = owner;
  await page.goto("/settings/integrations");
  const toggle = (name) => owner.card(ledger).getByRole("switch", { name });
  world.same(await toggle("Auto-sync").getAttribute("aria-checked"), "false");
  world.same(await toggle("Sync as draft").getAttribute("aria-checked"), "true");
  await toggle("Auto-sync").click();
  await owner.sees(`Auto-sync to ${LEDGERS[ledger]} is on`);
  world.same(await toggle("Auto-sync").getAttribute("aria-checked"), "true");
  await toggle("Sync as draft").click();
  await owner.sees(`Invoices go to ${LEDGERS[ledger]} approved`);
  world.same(await toggle("Sync as draft").getAttribute("aria-checked"), "false");
  world.same(await toggle("Auto-sync").getAttribute("aria-checked"), "true");
  await toggle("Sync as draft").click();
  await owner.sees(`Invoices go to ${LEDGERS[ledger]} as drafts`);
}

// R23.
async function test(owner, ledger) {
  await owner.card(ledger).getByRole("button", { name: "Test" }).click();
  await owner.sees(`${LEDGERS[ledger]} answers`);
}

export async function seedContacts(world, ledger, names) {
  const contacts = names.map((name) => ({ name, email: `${name.toLowerCase().replaceAll(" ", ".")}@${ledger}.example` }));
  await world.control(ledger, "seed", { contacts });
}

// R24-R29: nothing before the confirmation, then exactly what was chosen.
async function imports(world, owner, ledger) {
  const { page } = owner;
  await seedContacts(world, ledger, ["Alder Works", "Birch Bakery", "Cedar Clinic"]);
  await world.control(ledger, "seed", { contacts: [{ name: "Alder Works Accounts", email: `ALDER.WORKS@${ledger}.example` }] });
  const clients = async () => (await world.api("owner", "GET", "/v1/clients?limit=100")).json.items.length;
  const before = await clients();
  // R31, R32: each card has its own words for it.
  const label = { sage: "Preview import", "business-central": "Import BC Customers" }[ledger] ?? "Import contacts";
  await owner.card(ledger).getByRole("button", { name: label, exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText(/\d+ new/).first().waitFor();
  world.claim(await dialog.evaluate((node) => node.matches(":modal")), "with scripts it is a dialog");
  world.same(await clients(), before, "nothing is imported before the confirmation");
  await dialog.getByPlaceholder("Name or e-mail").pressSequentially("birch");
  await page.waitForFunction(() => [...document.querySelectorAll("#contacts tbody tr")].filter((row) => !row.hidden).length === 1);
  await dialog.getByPlaceholder("Name or e-mail").fill("");
  await dialog.getByRole("button", { name: "Choose none" }).click();
  await dialog.getByText("0 chosen").waitFor();
  // C14: one click makes no second client of an address: of two contacts that share it one is chosen.
  await dialog.getByRole("button", { name: "Choose all new" }).click();
  const twins = ["Alder Works", "Alder Works Accounts"].map((name) => dialog.getByLabel(`What becomes of ${name}`, { exact: true }));
  const chosen = await Promise.all(twins.map((twin) => twin.inputValue()));
  world.same(chosen.sort(), ["create", "skip"]);
  await dialog.getByRole("button", { name: "Choose none" }).click();
  await dialog.getByText("0 chosen").waitFor();
  await dialog.getByLabel("What becomes of Birch Bakery").selectOption("create");
  await dialog.getByText("1 chosen").waitFor();
  await dialog.getByRole("button", { name: "Import what is chosen" }).click();
  await dialog.getByText("The import is done").waitFor();
  world.same(await clients(), before + 1, "exactly what was chosen");
  await dialog.getByText("Client made").first().waitFor();
  await dialog.getByRole("link", { name: "Close" }).click();
  await owner.card(ledger).waitFor();
}

async function options(world, owner) {
  const { page } = owner;
  const card = owner.card("xero");
  await page.goto("/settings/integrations");
  await card.getByText("Other options").click();
  await card.locator("select[name=payments]").selectOption("push");
  await card.getByRole("button", { name: "Save options" }).click();
  await owner.sees("The options of Xero are saved");
  await card.getByText("Other options").click();
  world.same(await card.locator("select[name=payments]").inputValue(), "push");
  // What contradicts itself comes back beside its field, with what was chosen.
  await card.locator("select[name=sync_on]").selectOption("created");
  await card.getByRole("button", { name: "Save options" }).click();
  await owner.sees("That cannot be accepted as it is");
  world.same(await card.locator("select[name=sync_on]").getAttribute("aria-invalid"), "true");
  world.same(await card.locator("select[name=sync_on]").inputValue(), "created");
}

async function accounts(world, owner) {
  const { page } = owner;
  await page.goto("/settings/integrations");
  await owner.card("xero").getByRole("link", { name: "Accounts and tax" }).click();
  await owner.sees("Tax codes");
  const sales = page.getByLabel("Sales account");
  const chosen = await sales.inputValue();
  world.claim(chosen !== "", "the one account was chosen at connect");
  await page.getByRole("button", { name: "Save" }).click();
  await owner.sees("Accounts and tax of Xero are saved");
}

async function drafts(owner) {
  await owner.page.goto("/settings/integrations");
  await owner.card("xero").getByRole("link", { name: "Approve drafts" }).click();
  await owner.sees("There are no drafts to approve");
}

// R17: the list is read from the ledger only now.
async function company(world, owner) {
  const { page } = owner;
  await page.goto("/settings/integrations");
  const card = owner.card("business-central");
  await card.getByRole("link", { name: "Change company" }).click();
  await card.getByText("Which organisation do invoices go to?").waitFor();
  world.same(await card.getByRole("radio", { checked: true }).count(), 1, "the company in use is marked");
  await card.getByRole("radio", { name: /sandbox/i }).first().check();
  await card.getByRole("button", { name: "Use this organisation" }).click();
  await owner.sees("Microsoft Business Central is connected");
  await card.getByText("Sandbox").first().waitFor();
}

export async function disconnect(owner, ledger) {
  const { page } = owner;
  await page.goto("/settings/integrations");
  const card = owner.card(ledger);
  await card.locator("summary", { hasText: "Disconnect" }).click();
  await card.getByLabel(`Yes, disconnect ${LEDGERS[ledger]}`).check();
  await card.getByRole("button", { name: "Disconnect", exact: true }).click();
  await owner.sees(`${LEDGERS[ledger]} is disconnected`);
}
