import { Credentials } from "./client/credentials";
import { App } from "./page/app";
import { settingsFrom } from "./page/settings";

const settings = settingsFrom(new URL(location.href));
const app = new App(settings, credentials(settings.token));
app.start();
Object.assign(window, { genmoInspect: () => app.inspect() }); // for tests

/** The token a person gave, or one that stands for this page as long as it is open. */
function credentials(given: string | null): Credentials {
  if (given) return new Credentials(given, true);
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const token = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return new Credentials(token, false);
}
