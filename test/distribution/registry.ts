import { type Answered, ask } from "../nginx-server.ts";

/** An answer that is not what the specification wants. */
export class Unexpected extends Error {}

export interface Expected {
  readonly status: number | readonly number[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

export interface Asked {
  readonly body?: Buffer | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A registry as its clients see it. */
export class Registry {
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
  }

  /** Asks, and compares the answer with what is expected. */
  async ask(method: string, path: string, expected: Expected, asked: Asked = {}): Promise<Answered> {
    const { body } = asked;
    const streamed = asked.headers?.["transfer-encoding"] !== undefined;
    const length = body === undefined || streamed ? {} : { "content-length": String(body.length) };
    const answered = await ask(this.#port, method, path, { ...length, ...asked.headers }, body);
    const statuses = typeof expected.status === "number" ? [expected.status] : expected.status;
    const told = `${method} ${path.slice(0, 120)}`;
    if (!statuses.includes(answered.status)) {
      const said = answered.body.toString("utf8", 0, 300);
      throw new Unexpected(`${told}: ${answered.status}, ${statuses.join(" or ")} is wanted: ${said}`);
    }
    for (const [name, value] of Object.entries(expected.headers ?? {})) {
      if (answered.headers[name] === value) continue;
      throw new Unexpected(`${told}: ${name} is ${answered.headers[name]}, ${value} is wanted`);
    }
    if (expected.body !== undefined && !answered.body.equals(expected.body)) {
      throw new Unexpected(
        `${told}: ${answered.body.length} other bytes than ${expected.body.length} wanted ones`,
      );
    }
    return answered;
  }

  /** Where an answer sends its client. */
  location({ headers }: Answered): string {
    if (headers.location === undefined) throw new Unexpected("there is no Location");
    const url = new URL(headers.location, "http://registry");
    return url.pathname + url.search;
  }
}

export const withDigest = (location: string, digest: string): string =>
  `${location}${location.includes("?") ? "&" : "?"}digest=${encodeURIComponent(digest)}`;
