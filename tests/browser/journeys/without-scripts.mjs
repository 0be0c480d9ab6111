// The main path without scripts: connect, switch, import everything new, disconnect.

import { LEDGERS } from "../world.mjs";
import { disconnect, seedContacts, switches } from "./integrations.mjs";

export async function journey(world) {
  const owner = await world.person("owner", { javaScriptEnabled: false });
  const { page } = owner;
  const ledger = "xero";
  await world.consents(ledger);
  await owner.connect(ledger);
  await owner.sees(`${LEDGERS[ledger]} is connected`);
  await switches(owner, ledger);
  await seedContacts(world, ledger, ["Dogwood Design", "Elm Estates"]);
  await owner.card(ledger).getByRole("button", { name: "Import contacts" }).click();
  // The page looks for itself anew.
  await page.getByRole("button", { name: /Import all \d+ new contacts/ }).waitFor({ timeout: 30_000 });
  await page.getByPlaceholder("Name or e-mail").fill("elm");
  await page.getByRole("button", { name: "Search" }).click();
  await owner.sees("Elm Estates");
  world.same(await page.locator("#contacts tbody tr").count(), 1, "searched by the server");
  await page.getByRole("button", { name: /Import all \d+ new contacts/ }).click();
  await page.getByText("The import is done").waitFor({ timeout: 30_000 });
  const clients = (await world.api("owner", "GET", "/v1/clients?limit=100")).json.items.map((client) => client.name);
  for (const name of ["Dogwood Design", "Elm Estates"]) world.claim(clients.includes(name), `${name}: ${clients}`);
  await page.getByRole("link", { name: "Close" }).click();
  await disconnect(owner, ledger);
}
