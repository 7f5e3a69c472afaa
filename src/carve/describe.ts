import type { Origin } from "../tree/index.ts";
import type { How, NeedPlace, Reason } from "./need.ts";

/** What a reason says, as words that go behind the path that it is for. */
export function describeReason({ from, how }: Reason): string {
  if (how.kind === "named") return describeNamed(how);
  return describeHow(how, from ?? "the person");
}

function describeNamed({ by, what }: Extract<How, { kind: "named" }>): string {
  const said = what === undefined ? "" : `: ${what}`;
  switch (by) {
    case "root":
      return `named as a root${said}`;
    case "keep":
      return `named under keep${said}`;
    case "config":
      return `named by the image's configuration${said}`;
    case "file":
      return `a file of the application${said}`;
    case "user":
      return `named for a user${said}`;
  }
}

function describeHow(how: Exclude<How, { kind: "named" }>, from: string): string {
  switch (how.kind) {
    case "parent":
      return `the directory of ${from}`;
    case "link":
      return `a link that leads to ${from}`;
    case "hardlink":
      return `another name of ${from}`;
    case "elf-interpreter":
      return `the loader of ${from}`;
    case "elf-needed":
      return `${from} needs ${how.soname}, found by ${how.via}`;
    case "elf-dlopen-note":
      return `${from} notes that it opens ${how.soname}${how.feature === undefined ? "" : ` for ${how.feature}`}${how.priority === undefined ? "" : ` (${how.priority})`}`;
    case "elf-dlopen-string":
      return `${from} calls dlopen and has the name ${how.soname}`;
    case "libc":
      return `the C library opens it for ${from} (${how.what})`;
    case "script-interpreter":
      return `${from} begins with ${how.line}`;
    case "configuration":
      return `${how.directive} in ${describePlace(how.at)}`;
    case "package":
      return `${how.what} (package ${how.package}), for ${from}`;
    case "opened":
      return `${from} opened it while running: ${how.run}`;
    case "import":
      return `${describePlace(how.at)} imports ${how.module}`;
  }
}

function describePlace({ file, line }: NeedPlace): string {
  return line === undefined ? file : `${file}:${line}`;
}

/** Where something came from, in a few words. */
export function describeOrigin(origin: Origin): string {
  switch (origin.kind) {
    case "package":
      return `${origin.name} ${origin.version}`;
    case "context":
      return origin.path;
    case "layer":
      return `layer ${origin.index + 1}`;
    case "step":
      return origin.line === undefined ? origin.name : `${origin.name} (${origin.file ?? ""}:${origin.line})`;
    case "generated":
      return `Whittle: ${origin.what}`;
  }
}
