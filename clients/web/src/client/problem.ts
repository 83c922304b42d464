/** Why the server said no, from its `application/problem+json` (RFC 9457) answer. */
export class Problem extends Error {
  override readonly name = "Problem";

  /** @param status HTTP status; 0 when there was no answer at all. */
  constructor(
    readonly status: number,
    detail: string,
    readonly retryAfterS: number | null = null,
  ) {
    super(detail);
  }

  static async from(response: Response): Promise<Problem> {
    const retryAfter = Number(response.headers.get("Retry-After") ?? Number.NaN);
    return new Problem(
      response.status,
      await detailOf(response),
      Number.isFinite(retryAfter) ? retryAfter : null,
    );
  }
}

async function detailOf(response: Response): Promise<string> {
  const fallback = response.statusText || `HTTP status ${response.status}`;
  if (!(response.headers.get("Content-Type") ?? "").includes("json")) return fallback;
  try {
    const body = (await response.json()) as { detail?: unknown; title?: unknown } | null;
    const text = body?.detail ?? body?.title;
    return typeof text === "string" ? text : fallback;
  } catch {
    return fallback; // announced JSON but isn't: the status still says what happened
  }
}
