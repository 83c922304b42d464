/** genmo-client: poses, takes and sinks of a genmo-rt server, in a browser or in Node. */
export { GenmoClient, type ClientOptions, type GenmoEvents } from "./genmo-client.js";
export type { ConnectionState } from "./connection.js";
export * from "./pose.js";
export type * from "./control.js";
export { Playout } from "./playout.js";
export { after, between } from "./interpolate.js";
export { decodePose, encodeAck, isPose, SUBPROTOCOL, type Wish } from "./protocol.js";
export { parseControl } from "./control.js";
export { WireError } from "./wire-error.js";
export { Problem } from "./problem.js";
export { Credentials } from "./credentials.js";
export * from "./api.js";
export { Publisher, type PublishState } from "./publisher.js";
export type { VideoSource } from "./whip-session.js";
