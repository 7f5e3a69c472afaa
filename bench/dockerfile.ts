import { join } from "node:path";
import { openStore } from "../src/store/index.ts";
import { addBase } from "../test/conformance/base.ts";
import type { Case, Contestant } from "./case.ts";
import {
  editApplication,
  editLargeFile,
  editManyFiles,
  makeApplication,
  makeLargeFile,
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
const manyFiles: Subject = { name: "many-files", make: makeManyFiles, edit: editManyFiles };

/**
 * Builds of Dockerfiles: an application of two stages, a layer of 200 MB, a context of 50,000 files.
 *
 * @param base - tar of the root file system that `debian:trixie-slim` stands for, the same for everybody
 */
export async function dockerfileCases(work: Workplace, peers: Peers, base: string): Promise<Case[]> {
  await addBase(await openStore(work.store, { create: true }), base, "debian:trixie-slim");
  importBase(peers, base, "debian:trixie-slim");
  const contestants = async (
    subject: Subject,
    flags: readonly string[],
    prepare?: (directory: string, round: number) => Promise<void>,
  ): Promise<Contestant[]> => {
    const context = join(work.directory, subject.name);
    const tag = `bench-${subject.name}:1`;
    const before = prepare === undefined ? {} : { prepare: (round: number) => prepare(context, round) };
    return [
      {
        name: "whittle",
        ...before,
        command: () => work.whittle("build", context, "--network=none", "-t", tag, ...flags),
      },
      ...peerBuilds(peers, { name: tag, context, network: "none", flags, ...before }),
    ];
  };
  for (const subject of [application, largeFile, manyFiles])
    await subject.make(join(work.directory, subject.name));
  return [
    { name: "Dockerfile, cold, base present", contestants: await contestants(application, ["--no-cache"]) },
    { name: "Dockerfile, nothing changed", contestants: await contestants(application, []) },
    {
      name: "Dockerfile, one source file changed",
      contestants: await contestants(application, [], application.edit),
    },
    { name: "Dockerfile, layer of 200 MB", contestants: await contestants(largeFile, [], largeFile.edit) },
    {
      name: "Dockerfile, one of 50,000 files changed",
      contestants: await contestants(manyFiles, [], manyFiles.edit),
    },
  ];
}
