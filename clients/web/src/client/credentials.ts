/**
 * Who this page is to the server: a bearer token, and tickets for websockets.
 *
 * Without a token from the user a random one is this page's identity: a local server lets the same
 * token take its own stream over when the connection broke.
 */
import { Problem } from "./problem";

export class Credentials {
  constructor(
    readonly token: string,
    /** Whether a person gave the token; only then the server wants tickets on websockets. */
    readonly given: boolean,
  ) {}

  get headers(): Record<string, string> {
    return { Authorization: `Bearer ${this.token}` };
  }

  /** The websocket's address, with a fresh single-use ticket when a token was given. */
  async websocketUrl(url: URL): Promise<URL> {
    if (!this.given) return url;
    const answer = await fetch(new URL("/v1/tickets", location.href), {
      method: "POST",
      headers: this.headers,
    });
    if (!answer.ok) throw await Problem.from(answer);
    const { ticket } = (await answer.json()) as { ticket: string };
    const ticketed = new URL(url);
    ticketed.searchParams.set("ticket", ticket);
    return ticketed;
  }
}
