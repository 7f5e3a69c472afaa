import type { VerbModule } from "./verb.ts";

/** A verb as `--help` lists it; its module is loaded when it is used. */
export interface VerbEntry {
  readonly name: string;
  readonly summary: string;
  load(): Promise<VerbModule>;
}

/** All verbs, in the order in which help shows them. */
export const verbs: readonly VerbEntry[] = [
  {
    name: "build",
    summary: "build the images that a whittle.yaml or a Dockerfile describes",
    load: async () => (await import("./verbs/build.ts")).command,
  },
  {
    name: "bootstrap",
    summary: "make a full Debian system with apt as a base for images",
    load: async () => (await import("./verbs/bootstrap.ts")).command,
  },
  {
    name: "run",
    summary: "run a container of an image",
    load: async () => (await import("./verbs/run.ts")).command,
  },
  { name: "ps", summary: "list containers", load: async () => (await import("./verbs/ps.ts")).command },
  {
    name: "logs",
    summary: "show what a container wrote",
    load: async () => (await import("./verbs/logs.ts")).command,
  },
  {
    name: "exec",
    summary: "run a command in a running container",
    load: async () => (await import("./verbs/exec.ts")).command,
  },
  { name: "stop", summary: "stop containers", load: async () => (await import("./verbs/stop.ts")).command },
  {
    name: "volume",
    summary: "list, make, look at and remove volumes",
    load: async () => (await import("./verbs/volume.ts")).command,
  },
  { name: "rm", summary: "remove containers", load: async () => (await import("./verbs/rm.ts")).command },
  {
    name: "images",
    summary: "list the images of the store",
    load: async () => (await import("./verbs/images.ts")).command,
  },
  {
    name: "tag",
    summary: "give an image another name",
    load: async () => (await import("./verbs/tag.ts")).command,
  },
  {
    name: "rmi",
    summary: "remove names of images from the store",
    load: async () => (await import("./verbs/rmi.ts")).command,
  },
  {
    name: "inspect",
    summary: "show an image's manifest, configuration, layers and sizes",
    load: async () => (await import("./verbs/inspect.ts")).command,
  },
  {
    name: "tree",
    summary: "list the files of an image with size, owner and origin",
    load: async () => (await import("./verbs/tree.ts")).command,
  },
  {
    name: "why",
    summary: "say why a file is in an image, or why it is not",
    load: async () => (await import("./verbs/why.ts")).command,
  },
  {
    name: "diff",
    summary: "compare the files and configurations of two images",
    load: async () => (await import("./verbs/diff.ts")).command,
  },
  {
    name: "pull",
    summary: "bring images from registries into the store",
    load: async () => (await import("./verbs/pull.ts")).command,
  },
  {
    name: "push",
    summary: "send an image to a registry",
    load: async () => (await import("./verbs/push.ts")).command,
  },
  {
    name: "copy",
    summary: "copy an image between registries, archives, directories and the store",
    load: async () => (await import("./verbs/copy.ts")).command,
  },
  {
    name: "tags",
    summary: "list the tags of a repository",
    load: async () => (await import("./verbs/tags.ts")).command,
  },
  {
    name: "login",
    summary: "keep a name and a password for a registry",
    load: async () => (await import("./verbs/login.ts")).command,
  },
  {
    name: "logout",
    summary: "forget what is kept for a registry",
    load: async () => (await import("./verbs/logout.ts")).command,
  },
  {
    name: "serve",
    summary: "serve the store as a registry",
    load: async () => (await import("./verbs/serve.ts")).command,
  },
  {
    name: "store",
    summary: "verify, measure or tidy the store",
    load: async () => (await import("./verbs/store.ts")).command,
  },
  {
    name: "doctor",
    summary: "tell what this machine can do and what is missing",
    load: async () => (await import("./verbs/doctor.ts")).command,
  },
  {
    name: "completion",
    summary: "print a completion script for bash, zsh or fish",
    load: async () => (await import("./verbs/completion.ts")).command,
  },
];
