import { scratchStep } from "../../build/index.ts";
import type { ContainerConfig } from "../../image/index.ts";
import { sha256 } from "../../io/index.ts";
import { parseDockerfile } from "../parse.ts";
import { type PlanOptions, planDockerfile } from "../plan/index.ts";
import { Violations } from "./index.ts";

/** What a Dockerfile is checked with. */
export interface Given {
  readonly arguments?: Readonly<Record<string, string>>;
  readonly target?: string;
  readonly everyStage?: boolean;
  readonly ignored?: readonly string[];
  /** Of every base. */
  readonly base?: ContainerConfig;
  readonly architecture?: string;
}

const platform = { os: "linux", architecture: "amd64" };

/**
 * Checks a Dockerfile for tests; what is found are lines of place, rule and message, in the order of the file. The
 * outline of its target comes along.
 */
export async function violationsOf(source: string, given: Given = {}) {
  const found: string[] = [];
  const buildArguments = new Map(Object.entries(given.arguments ?? {}));
  const dockerfile = parseDockerfile(source, "Dockerfile");
  const violations = new Violations(dockerfile, buildArguments, ({ rule, message, at }) => {
    found.push(`${at.line}:${at.column} ${rule}: ${message}`);
  });
  for (const warning of dockerfile.warnings) violations.add(warning);
  const options: PlanOptions = {
    ...(given.target === undefined ? {} : { target: given.target }),
    everyStage: given.everyStage ?? false,
    buildArguments,
    labels: {},
    platform,
    buildPlatform: platform,
    context: scratchStep,
    leftOut: (path) => given.ignored?.includes(path) === true,
    named: async () => undefined,
    base: async () => ({
      step: scratchStep,
      digest: sha256(""),
      config: {
        ...platform,
        ...(given.architecture === undefined ? {} : { architecture: given.architecture }),
        config: given.base ?? {},
        rootfs: { type: "layers", diff_ids: [] },
      },
      layers: [],
    }),
    warn: (warning) => violations.add(warning),
    network: "default",
    extraHosts: [],
    allowed: new Set(),
    forms: [],
    environment: {},
    cacheDirectory: "/nowhere",
    secret: async () => undefined,
  };
  const { outline } = await planDockerfile(dockerfile, options);
  return {
    outline: await outline(),
    found: [...new Set(found)].sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10)),
    violations,
  };
}
