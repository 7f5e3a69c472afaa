import type { Outline, Stage } from "../dockerfile/index.ts";
import { WhittleError } from "../io/index.ts";
import { formatTable } from "./format.ts";
import { printable } from "./paint.ts";

const methods = ["build", "check", "outline", "targets"] as const;

/** What is done with a Dockerfile: all but `build` only say something of it. */
export type CallMethod = (typeof methods)[number];

/** What `--call`, `--check` and `--format` ask for. */
export interface Call {
  readonly method: CallMethod;
  readonly format: "text" | "json";
}

interface CallFlags {
  readonly call?: string;
  readonly check?: boolean;
  readonly format: "text" | "json";
}

/**
 * Reads them: `--call=METHOD[,format=json]` as in buildx, of which `--check` is short for one.
 *
 * @throws WhittleError `USAGE`
 */
export function callOf({ call, check = false, format }: CallFlags): Call {
  const [name = "", ...details] = (call ?? (check ? "check" : "build")).split(",");
  const method = methods.find((known) => known === name);
  const wanted = details.map((detail) => /^format=(text|json)$/.exec(detail)?.[1]);
  if (method === undefined || wanted.includes(undefined)) {
    throw new WhittleError(
      "USAGE",
      `Cannot use --call "${call}": ${methods.join(", ")} are possible, and ,format=json behind them`,
    );
  }
  return { method, format: wanted.includes("json") ? "json" : format };
}

/** The targets of a Dockerfile, with what their comments say of them; the last stage is the default. */
export function renderTargets(stages: readonly Stage[], format: Call["format"]): string {
  const last = stages.length - 1;
  if (format === "json") {
    const targets = stages.map(({ name, description, base, place }, index) => ({
      name,
      ...(index === last ? { default: true } : {}),
      description,
      base,
      location: location(place.line, place.endLine),
    }));
    return json({ targets });
  }
  const rows = stages.map(({ name = "", description = "" }, index) => [
    [name, ...(index === last ? ["(default)"] : [])].join(" ").trim(),
    description,
  ]);
  return printable(formatTable([{ title: "TARGET" }, { title: "DESCRIPTION" }], rows));
}

/** What can be given to a target: a table of each kind that there is. */
export function renderOutline(outline: Outline, format: Call["format"]): string {
  const { name, description, arguments: args, secrets, agents } = outline;
  if (format === "json") {
    const placed = <Item extends { readonly line: number }>({ line, ...item }: Item) => ({
      ...item,
      location: location(line),
    });
    return json({
      name,
      description,
      args: args.map(placed),
      secrets: secrets.map(placed),
      ssh: agents.map(placed),
    });
  }
  const columns = (...titles: string[]) => titles.map((title) => ({ title }));
  const required = (items: Outline["secrets"]) =>
    items.map((item) => [item.name, item.required ? "true" : ""]);
  const rows = args.map((one) => [one.name, one.value ?? "", one.description ?? ""]);
  const tables = [
    `TARGET: ${name ?? "(default)"}\n${description === undefined ? "" : `DESCRIPTION: ${description}\n`}`,
    rows.length === 0 ? "" : formatTable(columns("BUILD ARG", "VALUE", "DESCRIPTION"), rows),
    secrets.length === 0 ? "" : formatTable(columns("SECRET", "REQUIRED"), required(secrets)),
    agents.length === 0 ? "" : formatTable(columns("SSH", "REQUIRED"), required(agents)),
  ];
  return printable(tables.filter((table) => table !== "").join("\n"));
}

/** As BuildKit's results have it. */
function location(line: number, end = line): object {
  return { ranges: [{ start: { line }, end: { line: end } }] };
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
