import { appendFile, cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Case, Contestant } from "./case.ts";
import { measure } from "./measure.ts";
import { loadImage, type Peers, peerBuilds } from "./peer.ts";
import type { Workplace } from "./workplace.ts";

const root = join(import.meta.dirname, "..");

/** One Dockerfile of an example. */
interface Subject {
  readonly example: string;
  /** The image in its `whittle.yaml`. */
  readonly image: string;
  readonly dockerfile: string;
}

const subjects: readonly Subject[] = [
  { example: "recipes", image: "single", dockerfile: "Dockerfile" },
  { example: "recipes", image: "multistage", dockerfile: "Dockerfile.multistage" },
  { example: "recipes", image: "distroless", dockerfile: "Dockerfile.distroless" },
  { example: "flask-lab", image: "multistage", dockerfile: "Dockerfile" },
  { example: "flask-distroless", image: "slim", dockerfile: "Dockerfile" },
  { example: "flask-distroless", image: "distroless", dockerfile: "Dockerfile.distroless" },
  { example: "scratch-hello", image: "scratch", dockerfile: "Dockerfile" },
];

/** The source file of each example that changes, and how its language begins a comment. */
const sources: Readonly<Record<string, readonly [file: string, comment: string]>> = {
  recipes: ["recipes/views.py", "#"],
  "flask-lab": ["app.py", "#"],
  "flask-distroless": ["app.py", "#"],
  "scratch-hello": ["hello.go", "//"],
};

/** What the Dockerfiles build on, and the image of a project below `bases` that stands for it. */
const bases: readonly (readonly [name: string, project: string, image: string])[] = [
  ["python:3.13-slim", "python", "python"],
  ["gcr.io/distroless/python3-debian13:nonroot", "python3", "nonroot"],
  ["golang:1.24", "golang", "golang"],
];

const native = ["--platform", "linux/amd64"];

/**
 * The examples' Dockerfiles, on the same bases for everybody: ours, made from Debian's archive and given to the peers
 * under the public names. Measured twice for us: as the peers have it, with bases that are there and the wheels as a
 * named context; and as the examples have it, where `whittle.yaml` says what stands for the bases, which are looked at
 * in every build.
 */
export function exampleCases(work: Workplace, peers: Peers): Case[] {
  const places: Places = {
    plain: join(work.directory, "examples"),
    whole: join(work.directory, "project"),
    wheels: join(work.directory, "wheels"),
  };
  let made: Promise<void> | undefined;
  const make = (): Promise<void> => {
    made ??= makeExamples(work, peers, places);
    return made;
  };
  return subjects.flatMap((subject) => [
    { ...exampleCase(subject, "cold, base present", ["--no-cache"], false), make },
    { ...exampleCase(subject, "nothing changed", [], false), make },
    { ...exampleCase(subject, "one source file changed", [], true), make },
  ]);

  function exampleCase(
    { example, image, dockerfile }: Subject,
    name: string,
    flags: readonly string[],
    edited: boolean,
  ): Case {
    const tag = `bench-${example}:${image}`;
    const context = join(places.plain, example);
    const project = join(places.whole, "examples", example);
    const before = (directory: string): Pick<Contestant, "prepare"> =>
      edited ? { prepare: (round) => edit(directory, example, round) } : {};
    const given = [
      "-f",
      join(context, dockerfile),
      "--build-context",
      `wheelhouse=${places.wheels}`,
      ...flags,
    ];
    return {
      name: `example ${example}, ${image}: ${name}`,
      contestants: [
        {
          name: "whittle",
          ...before(context),
          command: () => work.whittle("build", context, "-t", tag, ...given),
        },
        {
          name: "whittle, by whittle.yaml",
          ...before(project),
          command: () => work.whittle("build", project, "--image", image, ...native, "-t", tag, ...flags),
        },
        ...peerBuilds(peers, { name: tag, context, network: "host", flags: given, ...before(context) }),
      ],
    };
  }
}

/** Where the examples are for a benchmark: without their `whittle.yaml` and with it, and the wheels for the former. */
interface Places {
  readonly plain: string;
  readonly whole: string;
  readonly wheels: string;
}

async function makeExamples(work: Workplace, peers: Peers, { plain, whole, wheels }: Places): Promise<void> {
  for (const part of ["examples", "bases"])
    await cp(join(root, part), join(whole, part), { recursive: true });
  await cp(join(root, "examples"), plain, { recursive: true });
  for (const example of await readdir(plain)) {
    await rm(join(plain, example, "whittle.yaml"));
    await withoutSyntax(join(plain, example));
  }
  const base = (name: string): string => join(whole, "bases", name);
  for (const [name, project, image] of bases) {
    const archive = join(work.directory, `${project}.tar`);
    const outputs = ["-o", "type=store", "-o", `type=docker,dest=${archive}`];
    await measure(work.whittle("build", base(project), "--image", image, ...native, "-t", name, ...outputs));
    loadImage(peers, archive);
    await rm(archive);
  }
  const wheelhouse = ["--image", "wheelhouse", "-o", `type=local,dest=${wheels}`];
  await measure(work.whittle("build", base("wheelhouse"), ...wheelhouse));
}

/** BuildKit asks a registry for the front end that the first line names, which cannot be reached everywhere. */
async function withoutSyntax(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.startsWith("Dockerfile")) continue;
    const text = await readFile(join(directory, name), "utf8");
    await writeFile(join(directory, name), text.replace(/^# syntax=.*\n/, ""));
  }
}

async function edit(directory: string, example: string, round: number): Promise<void> {
  const [file, comment] = sources[example] ?? [];
  if (file === undefined) throw new Error(`No source file of ${example} is known`);
  await appendFile(join(directory, file), `${comment} ${round} ${Date.now()}\n`);
}
