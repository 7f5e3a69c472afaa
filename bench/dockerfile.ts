import { existsSync } from "node:fs";
import { join } from "node:path";
import { openStore } from "../src/store/index.ts";
import { addBase } from "../test/conformance/base.ts";
import type { Case, Contestant } from "./case.ts";
import {
  editApplication,
  editLargeFile,
  editLargeRun,
  editManyFiles,
  makeApplication,
  makeLargeFile,
  makeLargeRun,
  makeManyFiles,
} from "./dockerfile-contexts.ts";
import { importBase, type Peers, peerBuilds } from "./peer.ts";
import type { Workplace } from "./workplace.ts";

/** A context with its Dockerfile, and how it changes from round to round. */
interface Subject {
  readonly name: string;
  make(directory: string): Promise<void>;
  edit(directory: string, round: number): Promise<void>;
}

const application: Subject = { name: "application", make: makeApplication, edit: editApplication };
const largeFile: Subject = { name: "large-file", make: makeLargeFile, edit: editLargeFile };
const largeRun: Subject = { name: "large-run", make: makeLargeRun, edit: editLargeRun };
const manyFiles: Subject = { name: "many-files", make: makeManyFiles, edit: editManyFiles };

/**
 * Builds of Dockerfiles: an application of two stages, a layer of 200 MB, a context of 50,000 files.
 *
 * @param base - tar of the root file system that `debian:trixie-slim` stands for, the same for everybody
 */
export async function dockerfileCases(work: Workplace, peers: Peers, base: string): Promise<Case[]> {
  await addBase(await openStore(work.store, { create: true }), base, "debian:trixie-slim");
  importBase(peers, base, "debian:trixie-slim");
  const of = (
    name: string,
    subject: Subject,
    flags: readonly string[],
    prepare?: (directory: string, round: number) => Promise<void>,
  ): Case => {
    const context = join(work.directory, subject.name);
    const tag = `bench-${subject.name}:1`;
    const before = prepare === undefined ? {} : { prepare: (round: number) => prepare(context, round) };
    const ours: Contestant = {
      name: "whittle",
      ...before,
      command: () => work.whittle("build", context, "--network=none", "-t", tag, ...flags),
    };
    return {
      name: `Dockerfile, ${name}`,
      make: async () => {
        if (!existsSync(context)) await subject.make(context);
      },
      contestants: [ours, ...peerBuilds(peers, { name: tag, context, network: "none", flags, ...before })],
    };
  };
  return [
    of("cold, base present", application, ["--no-cache"]),
    of("nothing changed", application, []),
    of("one source file changed", application, [], application.edit),
    of("layer of 200 MB", largeFile, [], largeFile.edit),
    of("layer of 200 MB that a RUN makes", largeRun, [], largeRun.edit),
    of("one of 50,000 files changed", manyFiles, [], manyFiles.edit),
  ];
}
