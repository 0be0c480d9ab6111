// The import by keyboard alone: the dialog holds the focus, chooses, imports, and Escape leads back.

import { seedContacts } from "./integrations.mjs";

export async function journey(world) {
  const owner = await world.connected("xero");
  const { page } = owner;
  await seedContacts(world, "xero", ["Fir Films", "Gorse Garage"]);
  await owner.go("/settings/integrations");
  await press(world, page, (focus) => focus.text === "Import contacts");
  const dialog = page.getByRole("dialog");
  await dialog.getByText(/\d+ new/).first().waitFor();
  world.same(await page.evaluate(() => document.activeElement.id), "import-title", "the dialog is announced by its title");
  // All the way round: the focus never leaves the dialog for the page behind it.
  const seen = new Set();
  for (let step = 0; step < 60; step += 1) {
    await page.keyboard.press("Tab");
    const focus = await focused(page);
    world.claim(focus.inDialog || focus.outside, `the focus is at ${focus.text}`);
    seen.add(focus.text);
  }
  world.claim(seen.has("Import what is chosen") && seen.has("Close"), [...seen].join(", "));
  await press(world, page, (focus) => focus.text === "Choose none");
  await reach(world, page, (focus) => focus.label === "What becomes of Fir Films");
  await page.keyboard.type("Create");
  await dialog.getByText("1 chosen").waitFor();
  await press(world, page, (focus) => focus.text === "Import what is chosen");
  await dialog.getByText("The import is done").waitFor();
  await page.keyboard.press("Escape");
  await page.waitForURL(/\/settings\/integrations#xero$/);
  const clients = (await world.api("owner", "GET", "/v1/clients?limit=100")).json.items.map((client) => client.name);
  world.claim(clients.includes("Fir Films") && !clients.includes("Gorse Garage"), clients.join(", "));
}

/** Where the focus is. Between the last and the first element it is at the browser's own bar. */
export async function focused(page) {
  return page.evaluate(() => {
    const at = document.activeElement;
    const inDialog = at.closest("dialog") !== null;
    return { text: at.textContent.trim().slice(0, 60), label: at.getAttribute("aria-label") ?? "", inDialog, outside: at === document.body };
  });
}

/** Presses Tab until the focus is where it should be. */
export async function reach(world, page, there) {
  for (let step = 0; step < 120; step += 1) {
    if (there(await focused(page))) { world.claims += 1; return; }
    await page.keyboard.press("Tab");
  }
  throw new Error("the keyboard does not reach it");
}

export async function press(world, page, there) {
  await reach(world, page, there);
  await page.keyboard.press("Enter");
}
