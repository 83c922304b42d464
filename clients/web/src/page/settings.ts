/** What the page's address asks for. */
export interface Settings {
  stream: string;
  /** Watch only: no camera is asked for. */
  view: boolean;
  /** A token the person was given, behind `#token=`; it never travels in a request's address. */
  token: string | null;
  /** Told to the server when publishing: `fov`, `height_m` and `delay`. */
  publish: URLSearchParams;
}

const STREAM_NAME = /^[A-Za-z0-9_-]{1,64}$/;
const PUBLISH_OPTIONS = ["fov", "height_m", "delay"];

export function settingsFrom(address: URL): Settings {
  const query = address.searchParams;
  const publish = new URLSearchParams();
  for (const name of PUBLISH_OPTIONS) {
    const value = query.get(name);
    if (value !== null) publish.set(name, value);
  }
  return {
    stream: query.get("stream") || "camera",
    view: query.has("view") && query.get("view") !== "0",
    token: new URLSearchParams(address.hash.slice(1)).get("token"),
    publish,
  };
}

/** Whether the server takes a stream of this name. */
export function validStream(name: string): boolean {
  return STREAM_NAME.test(name);
}

/** The same page as a viewer of the stream, for another window or device. */
export function viewerAddress(address: URL, stream: string): URL {
  const viewer = new URL(address);
  viewer.search = new URLSearchParams({ stream, view: "1" }).toString();
  return viewer;
}
