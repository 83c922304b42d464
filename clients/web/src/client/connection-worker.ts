/** A worker's script: a Connection that reads and parses off the page's thread. */
import { Connection, type News, type Order } from "./connection.js";

/** The first message to the worker; orders follow. */
export interface Start {
  url: string;
  token: string | null;
}

/** What a worker's global scope has, in a project whose types are a page's. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<Start | Order>) => void) | null;
  postMessage(news: News, transfer: Transferable[]): void;
}

const scope = globalThis as unknown as WorkerScope;
let connection: Connection | null = null;

scope.onmessage = ({ data }) => {
  if ("url" in data) connection = new Connection(new URL(data.url), data.token, tell);
  else connection?.obey(data);
};

function tell(news: News): void {
  scope.postMessage(news, news.kind === "pose" ? buffersOf(news) : []);
}

/** The numbers of a pose are handed over, not copied. */
function buffersOf({ pose }: News & { kind: "pose" }): Transferable[] {
  return pose.persons.flatMap(({ pelvis, velocity, contacts, rotations, landmarks }) =>
    [pelvis, velocity, contacts, rotations, landmarks].flatMap((numbers) =>
      numbers ? [numbers.buffer as ArrayBuffer] : [],
    ),
  );
}
