import type { SourceLocation } from "../io/index.ts";

/** Where an instruction stands: its first and last line (from 1) and how to point at a part of it. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly endLine: number;
  /** The text of the first line, for errors. */
  readonly text: string;
  /** Its lines, heredocs left out, so that an error can point at a word. */
  readonly lines: readonly string[];
}

/** A heredoc behind a RUN, COPY or ADD (`<<EOF`, `<<-EOF`, `<<"EOF"`). */
export interface Heredoc {
  readonly name: string;
  /** Behind COPY and ADD without the tabs that `<<-` takes away; behind RUN as written. */
  readonly content: string;
  /** Whether words in it are expanded: not when the name was quoted. */
  readonly expand: boolean;
  /** `<<-`: leading tabs are taken away. */
  readonly chomp: boolean;
  /** The number before `<<`, for the shell. */
  readonly fileDescriptor?: number;
}

/** A command in shell form (one string for the shell) or exec form (argv). */
export type CommandForm =
  | { readonly form: "shell"; readonly command: string; readonly heredocs: readonly Heredoc[] }
  | { readonly form: "exec"; readonly argv: readonly string[] };

/** `RUN --mount=…`, options as written; unset ones have Docker's defaults applied by whoever runs it. */
export interface Mount {
  readonly type: "bind" | "cache" | "tmpfs" | "secret" | "ssh";
  readonly target?: string;
  readonly source?: string;
  readonly from?: string;
  readonly readOnly?: boolean;
  readonly id?: string;
  readonly sharing?: "shared" | "private" | "locked";
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly size?: number;
  readonly required?: boolean;
  readonly env?: string;
}

interface Common {
  readonly place: Place;
  /** The instruction as the person wrote it, continuation lines joined: what history shows. */
  readonly original: string;
}

/** A source of COPY or ADD: a path, address or pattern, or a heredoc. */
export type CopySource =
  | { readonly kind: "path"; readonly path: string }
  | { readonly kind: "heredoc"; readonly heredoc: Heredoc };

/** One of an ARG's arguments. */
export interface Argument {
  readonly name: string;
  /** Its default, as written. */
  readonly value?: string;
  /** What the comment above says of it. */
  readonly description?: string;
}

/** An instruction with its flags read and checked; words are not expanded yet. */
export type Instruction = Common &
  (
    | { readonly kind: "arg"; readonly args: readonly Argument[] }
    | {
        readonly kind: "env";
        readonly pairs: readonly (readonly [string, string])[];
        /** Written as `name value`. */
        readonly legacy?: true;
      }
    | {
        readonly kind: "label";
        readonly pairs: readonly (readonly [string, string])[];
        /** Written as `name value`. */
        readonly legacy?: true;
      }
    | {
        readonly kind: "copy" | "add";
        readonly sources: readonly CopySource[];
        readonly destination: string;
        readonly from?: string;
        readonly chown?: string;
        readonly chmod?: string;
        readonly link?: boolean;
        readonly parents?: boolean;
        readonly excludes: readonly string[];
        readonly checksum?: string;
        readonly keepGitDir?: boolean;
        readonly unpack?: boolean;
      }
    | {
        readonly kind: "run";
        readonly command: CommandForm;
        /** Those whose options hold no variables; {@link readMounts} reads all of them, with the variables' values. */
        readonly mounts: readonly Mount[];
        /** The values of `--mount` as written. */
        readonly mountFlags: readonly string[];
        readonly network?: "default" | "none" | "host";
        readonly security?: "sandbox" | "insecure";
      }
    | { readonly kind: "cmd" | "entrypoint"; readonly command: CommandForm }
    | { readonly kind: "shell"; readonly argv: readonly string[] }
    | { readonly kind: "expose"; readonly ports: readonly string[] }
    | { readonly kind: "user"; readonly user: string }
    | { readonly kind: "workdir"; readonly path: string }
    | { readonly kind: "volume"; readonly paths: readonly string[] }
    | { readonly kind: "stopsignal"; readonly signal: string }
    | { readonly kind: "maintainer"; readonly name: string }
    | {
        readonly kind: "healthcheck";
        readonly none: boolean;
        readonly command?: CommandForm;
        /** Nanoseconds. */
        readonly interval?: number;
        readonly timeout?: number;
        readonly startPeriod?: number;
        readonly startInterval?: number;
        readonly retries?: number;
      }
    | { readonly kind: "onbuild"; readonly expression: string }
  );

/** A build stage: its FROM line and what follows. */
export interface Stage extends Common {
  /** As written; words not expanded. */
  readonly base: string;
  readonly name?: string;
  readonly platform?: string;
  /** What the comment above it says of it. */
  readonly description?: string;
  readonly instructions: readonly Instruction[];
}

/** A Dockerfile that was read: global ARGs, stages, and what its directives said. */
export interface Dockerfile {
  readonly file: string;
  readonly escape: "\\" | "`";
  readonly syntax?: string;
  readonly check?: string;
  readonly globalArguments: readonly Extract<Instruction, { kind: "arg" }>[];
  readonly stages: readonly Stage[];
  /** Things that are allowed but questionable, with their places. */
  readonly warnings: readonly {
    readonly rule: string;
    readonly message: string;
    readonly at: SourceLocation;
  }[];
}
