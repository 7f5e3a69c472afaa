import { WhittleError } from "../io/index.ts";

/** An HTTP request and what its answer has to be. */
export interface HttpProbe {
  readonly kind: "http";
  readonly method: string;
  /** Begins with a slash; may have a query. */
  readonly path: string;
  /** Without one, any status below 400 will do. */
  readonly status?: number;
  /** The body has to be JSON. */
  readonly json?: boolean;
  /** The body has to hold this text. */
  readonly contains?: string;
  /** Headers of the answer, by name in any case; a value has to be the header's, or be held by it. */
  readonly header?: Readonly<Record<string, string>>;
  /** The port inside the container; without one, the first that is published. */
  readonly port?: number;
}

/** A connection to a port. */
export interface TcpProbe {
  readonly kind: "tcp";
  /** The port inside the container. */
  readonly port: number;
}

/** A command inside the container that has to end with status 0. */
export interface ExecProbe {
  readonly kind: "exec";
  readonly command: readonly string[];
}

/** A check of a running container from outside. */
export type Probe = HttpProbe | TcpProbe | ExecProbe;

/** A probe as a recipe writes it, already known to have these types. */
export interface ProbeObject {
  readonly http?: string | undefined;
  readonly method?: string | undefined;
  readonly status?: number | undefined;
  readonly json?: boolean | undefined;
  readonly contains?: string | undefined;
  readonly header?: Readonly<Record<string, string>> | undefined;
  readonly port?: number | undefined;
  readonly tcp?: number | undefined;
  readonly exec?: string | readonly string[] | undefined;
}

/**
 * Reads a probe: `http:PATH`, `http:METHOD:PATH`, `http:METHOD:PATH:STATUS`, `tcp:PORT`, `exec:COMMAND` (words
 * are split at white space, quotes keep them together), or a recipe's object.
 *
 * @throws WhittleError `USAGE`
 */
export function parseProbe(from: string | ProbeObject): Probe {
  if (typeof from !== "string") return fromObject(from);
  const colon = from.indexOf(":");
  const rest = from.slice(colon + 1);
  switch (colon < 0 ? "" : from.slice(0, colon)) {
    case "http":
      return parseHttp(rest, from);
    case "tcp":
      return { kind: "tcp", port: port(Number(rest), from) };
    case "exec":
      return { kind: "exec", command: splitCommand(rest, from) };
    default:
      throw invalid(from, "it begins with none of http:, tcp: and exec:");
  }
}

/** A probe in the form in which {@link parseProbe} reads it, for people. */
export function formatProbe(probe: Probe): string {
  switch (probe.kind) {
    case "http":
      return `http:${probe.method}:${probe.path}${probe.status === undefined ? "" : `:${probe.status}`}`;
    case "tcp":
      return `tcp:${probe.port}`;
    case "exec":
      return `exec:${probe.command.map(quote).join(" ")}`;
  }
}

function fromObject(object: ProbeObject): Probe {
  const shown = JSON.stringify(object);
  const kinds = [object.http, object.tcp, object.exec].filter((value) => value !== undefined).length;
  if (kinds !== 1) throw invalid(shown, "exactly one of http, tcp and exec is wanted");
  if (object.tcp !== undefined) return { kind: "tcp", port: port(object.tcp, shown) };
  if (object.exec !== undefined) {
    const { exec } = object;
    return { kind: "exec", command: typeof exec === "string" ? splitCommand(exec, shown) : exec };
  }
  const { status, json, contains, header } = object;
  return {
    kind: "http",
    method: method(object.method ?? "GET", shown),
    path: path(object.http ?? "", shown),
    ...(status === undefined ? {} : { status: httpStatus(status, shown) }),
    ...(json === undefined ? {} : { json }),
    ...(contains === undefined ? {} : { contains }),
    ...(header === undefined ? {} : { header }),
    ...(object.port === undefined ? {} : { port: port(object.port, shown) }),
  };
}

function parseHttp(text: string, whole: string): HttpProbe {
  if (text.startsWith("/") || text === "") return { kind: "http", method: "GET", path: path(text, whole) };
  const match = /^([A-Za-z]+):(\/.*?)(?::([0-9]{3}))?$/.exec(text);
  if (match === null) throw invalid(whole, "http:PATH or http:METHOD:PATH:STATUS is wanted");
  const [, verb = "", place = "", status] = match;
  return {
    kind: "http",
    method: method(verb, whole),
    path: path(place, whole),
    ...(status === undefined ? {} : { status: httpStatus(Number(status), whole) }),
  };
}

function path(text: string, whole: string): string {
  if (/^\/[^\s#]*$/.test(text)) return text;
  throw invalid(whole, "the path must begin with a slash and hold no white space");
}

function method(text: string, whole: string): string {
  if (/^[A-Za-z]{3,16}$/.test(text)) return text.toUpperCase();
  throw invalid(whole, `"${text}" is no HTTP method`);
}

function httpStatus(value: number, whole: string): number {
  if (Number.isInteger(value) && value >= 100 && value <= 599) return value;
  throw invalid(whole, "an HTTP status is between 100 and 599");
}

function port(value: number, whole: string): number {
  if (Number.isInteger(value) && value >= 1 && value <= 65535) return value;
  throw invalid(whole, "a port is between 1 and 65535");
}

function splitCommand(text: string, whole: string): string[] {
  const words = [...text.matchAll(/(?:[^\s"']|"[^"]*"|'[^']*')+/g)].map(([word]) =>
    word.replace(/"([^"]*)"|'([^']*)'/g, (_, double?: string, single?: string) => double ?? single ?? ""),
  );
  if (words.length === 0) throw invalid(whole, "a command is missing");
  if ((text.match(/"/g)?.length ?? 0) % 2 === 1) throw invalid(whole, "a quotation mark is not closed");
  return words;
}

function quote(word: string): string {
  return /^[^\s"']+$/.test(word) ? word : word.includes('"') ? `'${word}'` : `"${word}"`;
}

function invalid(text: string, found: string): WhittleError {
  return new WhittleError("USAGE", `Cannot read the probe ${text.slice(0, 200)}: ${found}`, {
    hint: "for example http:/users.json, http:POST:/users:201, tcp:8080, exec:/bin/busybox true",
  });
}
