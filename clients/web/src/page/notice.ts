/** What went wrong, in words for the person before the camera, and what to do about it. */
import { Problem } from "../client/problem";
import { CameraError, type CameraProblem } from "./camera";

export interface Notice {
  title: string;
  text: string;
}

const CAMERA: Record<CameraProblem, Notice> = {
  insecure: {
    title: "The camera needs a secure address",
    text: "Browsers allow cameras only on https:// and localhost. Open this page through one of them, or use a video file.",
  },
  denied: {
    title: "The camera is not allowed",
    text: "Allow the camera for this page in the browser's address bar, then press Start again. A video file works without it.",
  },
  none: {
    title: "No camera found",
    text: "Connect a camera and press Start again, or use a video file.",
  },
  busy: {
    title: "The camera does not start",
    text: "Another program may be using it. Close that program, or choose another camera.",
  },
  unplayable: {
    title: "This video can't be played here",
    text: "The browser does not know its format. MP4 with H.264 and WebM play nearly everywhere: use another file, or a camera.",
  },
  unsupported: {
    title: "This browser can't send a video file",
    text: "Use the camera, or open the page in a recent Chrome, Edge, Firefox or Safari.",
  },
};

/** The notice for an error of the camera, the server or the way between. */
export function noticeFor(error: unknown): Notice {
  if (error instanceof CameraError) return CAMERA[error.problem];
  if (error instanceof Problem) return problemNotice(error);
  return { title: "Something went wrong", text: String(error) };
}

/** The notice for something that the person asked for and didn't get. */
export function failure(what: string, error: unknown): Notice {
  if (error instanceof Problem && [0, 401, 403].includes(error.status)) return problemNotice(error);
  return { title: what, text: sentence(error instanceof Error ? error.message : String(error)) };
}

function problemNotice({ status, message, retryAfterS }: Problem): Notice {
  switch (status) {
    case 0:
      return { title: "The server can't be reached", text: `${sentence(message)} Trying again.` };
    case 401:
    case 403:
      return {
        title: "The server does not let this page in",
        text: `${sentence(message)} Open the page with #token=… behind its address.`,
      };
    case 409:
      return {
        title: "Someone else is publishing this stream",
        text: "Wait until they stop, or choose another stream name. You can watch theirs meanwhile.",
      };
    case 501:
      return {
        title: "People can't be found on this device",
        text: `${sentence(message)} Press Start to try again, or switch “Keep my video on this device” off: then the server gets the video and finds them.`,
      };
    case 503: {
      const when = retryAfterS === null ? "in a moment" : `in ${retryAfterS} s`;
      return { title: "The server is full", text: `${sentence(message)} Trying again ${when}.` };
    }
    default:
      return { title: `The server refused (${status})`, text: sentence(message) };
  }
}

function sentence(text: string): string {
  const trimmed = text.trim();
  const capital = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?…]$/.test(capital) ? capital : `${capital}.`;
}
