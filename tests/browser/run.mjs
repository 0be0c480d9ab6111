// Runs one journey in a headless Chromium: node run.mjs JOURNEY SETUP, where SETUP is JSON with the addresses and tokens of a local cloud.
// Ends with 0 when everything that the journey claims holds.

import { chromium } from "playwright-core";
import { existsSync } from "node:fs";
import { World } from "./world.mjs";

const [name, setup] = process.argv.slice(2);
const { journey } = await import(`./journeys/${name}.mjs`);

// Debian's, or whichever is said; nothing is downloaded.
const executablePath = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]
  .find((path) => path && existsSync(path));
// Chromium's own sandbox does not work for root, who runs it in a container.
const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
const browser = await chromium.launch({ executablePath, args });
try {
  const world = new World(browser, JSON.parse(setup));
  await journey(world);
  await world.done();
  console.log(`${name}: ${world.claims} claims held on ${world.visited} pages`);
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await browser.close();
}
