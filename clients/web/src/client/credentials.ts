/** Who this client is to the server: a bearer token, and tickets for websockets. */
import { Problem } from "./problem.js";

export class Credentials {
  constructor(
    readonly token: string,
    /** Whether a person gave the token; only then the server wants tickets on websockets. */
    readonly given: boolean,
  ) {}

  get headers(): Record<string, string> {
    return { Authorization: `Bearer ${this.token}` };
  }
}

/**
 * The websocket's address, with a fresh single-use ticket when there is a token: browsers can't set
 * headers on websockets.
 *
 * @param url the stream's `/poses` address, http or ws.
 * @throws Problem when the server refuses the token.
 */
export async function websocketUrl(url: URL, token: string | null): Promise<URL> {
  const secure = url.protocol === "https:" || url.protocol === "wss:";
  const address = new URL(url);
  address.protocol = secure ? "wss:" : "ws:";
  if (token === null) return address;
  const tickets = new URL("/v1/tickets", url);
  tickets.protocol = secure ? "https:" : "http:";
  const headers = new Credentials(token, true).headers;
  const answer = await fetch(tickets, { method: "POST", headers });
  if (!answer.ok) throw await Problem.from(answer);
  const { ticket } = (await answer.json()) as { ticket: string };
  address.searchParams.set("ticket", ticket);
  return address;
}
