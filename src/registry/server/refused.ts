/** Codes of the distribution-spec 1.1, "Error Codes", with the status that each has. */
export const refusals = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 404,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 413,
  UNAUTHORIZED: 401,
  DENIED: 403,
  UNSUPPORTED: 405,
  TOOMANYREQUESTS: 429,
  RANGE_INVALID: 416,
  PAGINATION_NUMBER_INVALID: 400,
  UNKNOWN: 500,
} as const;

export type RefusalCode = keyof typeof refusals;

/** A request that is answered with an error of the distribution-spec. */
export class Refused extends Error {
  readonly code: RefusalCode;
  readonly headers: Readonly<Record<string, string>>;
  readonly detail: Readonly<Record<string, string>> | undefined;

  /** @param detail - what a program may want to know of it, as the spec's `detail` */
  constructor(
    code: RefusalCode,
    message: string,
    headers: Readonly<Record<string, string>> = {},
    detail?: Readonly<Record<string, string>>,
  ) {
    super(message);
    this.code = code;
    this.headers = headers;
    this.detail = detail;
  }

  get status(): number {
    return refusals[this.code];
  }

  /** The body (distribution-spec, "Error Codes"). */
  get body(): string {
    return `${JSON.stringify({ errors: [{ code: this.code, message: this.message, detail: this.detail }] })}\n`;
  }
}
