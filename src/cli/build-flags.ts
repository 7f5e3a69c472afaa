import { type Command, Option } from "commander";
import { takeBooleanValues } from "./boolean-flags.ts";
import { addDockerFlags, type DockerFlags } from "./docker-flags.ts";
import type { DockerfileFlags } from "./dockerfile-options.ts";
import { repeated } from "./options.ts";

/** Flags of `build`. */
export interface BuildFlags extends DockerfileFlags, DockerFlags {
  readonly tag: readonly string[];
  readonly image: readonly string[];
  readonly platform: readonly string[];
  readonly label: readonly string[];
  readonly annotation: readonly string[];
  readonly output: readonly string[];
  readonly load?: boolean;
  readonly push?: boolean;
  readonly cache: boolean;
  readonly cacheFrom: readonly string[];
  readonly cacheTo: readonly string[];
  readonly pull?: boolean;
  readonly locked?: boolean;
  readonly compression?: string;
  readonly metadataFile?: string;
  readonly iidfile?: string;
  readonly quiet?: boolean;
  readonly dryRun?: boolean;
  readonly call?: string;
  readonly check?: boolean;
  readonly format: "text" | "json";
}

/** Gives `build` its argument, options and examples. */
export function addBuildOptions(command: Command): void {
  const list = (flags: string, about: string): Command => command.option(flags, about, repeated, []);
  takeBooleanValues(command);
  addDockerFlags(command);
  command
    .argument("[context]", "directory, - (a tar or Dockerfile on standard input), git or http address", ".")
    .option("-f, --file <file>", "the whittle.yaml or Dockerfile to build; - reads a Dockerfile");
  list("-t, --tag <reference>", "name the image gets in the store; repeatable");
  list("--image <name>", "build this image of the recipe only; repeatable");
  list("--platform <list>", "platforms to build for, separated by commas; repeatable");
  list("--label <name=value>", "add a label; repeatable");
  list("--annotation <name=value>", "add an annotation, [manifest|index:]NAME=VALUE; repeatable");
  command.option("--target <stage>", "stage of the Dockerfile to build");
  list("--build-arg <name=value>", "value of an ARG of the Dockerfile; NAME alone: from the environment");
  list(
    "--build-context <name=where>",
    "directory, docker-image://NAME, oci-layout://DIR or address for a name; repeatable",
  );
  list("--secret <spec>", "id=ID[,src=FILE|,env=NAME], for RUN --mount=type=secret; repeatable");
  list("--ssh <spec>", "default, or ID=SOCKET|KEY[,KEY], for RUN --mount=type=ssh and git; repeatable");
  command.option("--network <mode>", "network of RUN: default, none or host");
  list("--add-host <host:address>", "line in /etc/hosts of RUN; repeatable");
  list("--allow <entitlement>", "let RUN have it: network.host or security.insecure; repeatable");
  command.option(
    "--invoke-on-error <command>",
    "look around where a RUN failed: sh takes any shell there is",
  );
  command.option("--shm-size <bytes>", "size of /dev/shm in RUN: 64m");
  command.option("--pids-limit <number>", "processes that a RUN may have at a time (default: 8192)");
  list("--ulimit <spec>", "limit of RUN: nofile=1024[:2048]; repeatable");
  list(
    "-o, --output <spec>",
    "type=store|oci|docker|tar|local|registry|cacheonly[,dest=PATH], a directory, or -; repeatable",
  );
  command
    .option("--load", "load the image into docker")
    .option("--push", "push the image under its names")
    .option("--no-cache", "run every step again")
    .addOption(noCacheFilter())
    .option(
      "--cache-from <spec>",
      "cache of another build: type=local,src=DIR, or an image's name; repeatable",
      repeated,
      [],
    )
    .option(
      "--cache-to <spec>",
      "export the cache: type=local,dest=DIR, type=registry,ref=NAME or type=inline [,mode=max]; repeatable",
      repeated,
      [],
    )
    .option("--pull", "ask the archive for newer packages, and registries for newer bases, now")
    .option("--locked", "take exactly what whittle.lock records")
    .option("--compression <kind>", "gzip, zstd or none, with a level: zstd:19")
    .option("--metadata-file <file>", "write what was built as JSON")
    .option("--iidfile <file>", "write the digest")
    .option("-q, --quiet", "print the digest and nothing else")
    .option("--dry-run", "print the graph and generated configuration, and build nothing")
    .option(
      "--call <method>",
      "say something of the Dockerfile and build nothing: check, outline (what can be given), targets",
    )
    .option("--check", "short for --call=check: print what is questionable")
    .addOption(
      new Option("--format <form>", "of --dry-run and --call").choices(["text", "json"]).default("text"),
    )
    .addHelpText(
      "after",
      "\nExamples:\n  whittle build examples/api-simulator -t api:1\n  whittle build . -f Dockerfile --platform linux/amd64,linux/arm64 -o type=oci,dest=image\n",
    );
}

/** Commander takes whatever begins with `--no-` for the opposite of something; this one has a value. */
function noCacheFilter(): Option {
  const option = new Option("--no-cache-filter <stage>", "run the steps of this stage again; repeatable");
  option.negate = false;
  option.attributeName = () => "noCacheFilter";
  return option.default([]).argParser(repeated);
}
