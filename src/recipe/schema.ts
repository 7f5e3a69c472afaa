import { z } from "zod";
import { servicesSchema } from "./service-schema.ts";
import type { ProjectRecipe } from "./types.ts";

// The shape of whittle.yaml. Descriptions end up in the JSON Schema that editors show.

const text = z.string().min(1);
const absolutePath = z.string().regex(/^\//, "an absolute path is wanted");
const accountName = z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/, "a name like web or app_1 is wanted");
const identifier = z.int().min(0).max(4294967294);
const duration = z
  .string()
  .regex(/^(\d+(\.\d+)?(ns|us|ms|s|m|h))+$/, 'a duration like "30s" or "1m30s" is wanted');
const strings = z.array(z.string());
const environment = z.record(z.string().regex(/^[^=\s]+$/), z.coerce.string());

const archive = {
  components: z.array(text).optional().describe("Components of the archive; default: main"),
  mirror: text.optional().describe("Mirror address; default: the machine's own apt sources"),
  securityMirror: text.optional().describe("Mirror address of the security archive"),
  snapshot: text.optional().describe("Snapshot date, like 20260912T000000Z, under the snapshot mirror"),
  updates: z.boolean().optional().describe("Use SUITE-updates too; default: true"),
  security: z.boolean().optional().describe("Use SUITE-security too; default: true"),
  acceptExpired: z.boolean().optional().describe("Accept a release that is past its Valid-Until"),
};

const suiteObject = z.strictObject({
  debian: text.describe("Suite: bookworm, trixie, forky, …"),
  ...archive,
});

const bootstrap = z
  .strictObject({
    bootstrap: text.describe("Suite: bookworm, trixie, forky, …"),
    ...archive,
  })
  .describe("A full, apt-capable system; packages are configured by their own scripts");

const platformName = z
  .string()
  .regex(/^[a-z0-9]+\/[a-z0-9_]+(\/[a-z0-9]+)?$/, "a platform like linux/arm64 is wanted");

const source = suiteObject
  .extend({
    platforms: z
      .record(platformName, z.union([text, suiteObject]))
      .optional()
      .describe("Another suite for single platforms, where a release lacks an architecture"),
  })
  .describe("Where packages come from");

const file = z.strictObject({
  from: text.optional().describe("File or directory of the context"),
  content: z.string().optional().describe("The text of the file, instead of from"),
  directory: z.literal(true).optional().describe("An empty directory, instead of from"),
  link: text.optional().describe("A symbolic link to this, instead of from"),
  to: absolutePath.describe("Where it goes in the image"),
  mode: z
    .union([z.string(), z.int().min(0).max(0o7777)])
    .optional()
    .describe("Mode as chmod takes it: 0644, a=rX"),
  owner: z.union([text, identifier]).optional().describe("Name or number of the owner; default: root"),
  group: z.union([text, identifier]).optional().describe("Name or number of the group; default: the owner's"),
});

const user = z.strictObject({
  name: accountName,
  uid: identifier,
  gid: identifier.optional().describe("Default: the uid"),
  group: accountName.optional().describe("Name of the group; default: the user's name"),
  home: absolutePath.optional().describe("Default: /nonexistent"),
  shell: absolutePath.optional().describe("Default: /usr/sbin/nologin"),
});

const healthcheck = z.strictObject({
  test: z.union([strings, text]).describe("[CMD, …], [NONE], or a command line for the image's shell"),
  interval: duration.optional(),
  timeout: duration.optional(),
  startPeriod: duration.optional(),
  startInterval: duration.optional(),
  retries: z.int().min(0).optional(),
});

const config = z.strictObject({
  entrypoint: strings.optional(),
  command: strings.optional(),
  user: z.union([text, identifier]).optional(),
  workdir: absolutePath.optional(),
  environment: environment.optional(),
  ports: z
    .array(
      z.union([
        z.string().regex(/^\d+(\/(tcp|udp|sctp))?$/, "a port like 8080/tcp is wanted"),
        z.int().min(1).max(65535),
      ]),
    )
    .optional(),
  volumes: z.array(absolutePath).optional(),
  labels: z.record(text, z.coerce.string()).optional(),
  stopSignal: z
    .string()
    .regex(/^(SIG[A-Z0-9+-]+|\d+)$/, "a signal like SIGQUIT is wanted")
    .optional(),
  healthcheck: healthcheck.optional(),
});

const httpProbe = z.strictObject({
  http: z.string().regex(/^\//, "a path that begins with / is wanted"),
  method: text.optional(),
  status: z.int().min(100).max(599).optional(),
  json: z.boolean().optional().describe("The body must be JSON"),
  contains: text.optional().describe("The body must hold this text"),
  header: z.record(text, z.string()).optional().describe("Headers of the answer that must have these values"),
  port: z.int().min(1).max(65535).optional().describe("Port of the container; default: the first published"),
});
const tcpProbe = z.strictObject({ tcp: z.int().min(1).max(65535) });
const execProbe = z.strictObject({ exec: z.union([text, strings]) });
const probe = z.union([z.string(), httpProbe, tcpProbe, execProbe]);

const context = z
  .union([
    z.strictObject({
      project: text.describe("Directory that holds a whittle.yaml"),
      image: text.optional().describe("Which of its images"),
    }),
    z.strictObject({
      image: text.describe(
        "Directory with a whittle.yaml (../bases/python#NAME), image of this project or of the store",
      ),
    }),
    z.strictObject({ directory: text.describe("Directory whose files are taken") }),
  ])
  .describe("What a name in FROM or --from stands for");
const contexts = z.record(text, context);

const imageShape = z.strictObject({
  dockerfile: text.optional().describe("Dockerfile that describes the image"),
  context: text.optional().describe("Directory that COPY reads; default: that of whittle.yaml"),
  target: text.optional().describe("Stage of the Dockerfile; default: the last"),
  args: environment.optional().describe("Values of the ARGs of the Dockerfile"),
  contexts: contexts.optional().describe("What names stand for in this image's Dockerfile alone"),
  from: z.union([text.transform((suite) => ({ debian: suite })), source, bootstrap]).optional(),
  packages: z.array(text).optional().describe("Debian packages: name, name=version, name/suite"),
  recommends: z.boolean().optional().describe("Take recommended packages too; default: false"),
  roots: z
    .array(z.union([text, strings]))
    .optional()
    .describe("What the image must be able to run: absolute paths or command lines"),
  keep: z
    .array(z.string().regex(/^!?\//, "an absolute path is wanted"))
    .optional()
    .describe("More paths to keep; * and ** are understood, and ! before what these do not keep"),
  carve: z.boolean().optional().describe("false keeps every file of the packages; default: true"),
  run: z
    .array(text)
    .optional()
    .describe("Command lines of the shell, run in a full system when its packages are configured"),
  simulate: text.optional().describe("A directory of files that becomes a web server"),
  files: z.array(file).optional(),
  users: z.array(user).optional(),
  config: config.optional(),
  annotations: z.record(text, z.coerce.string()).optional(),
  platforms: z.array(platformName).min(1).optional().describe("Default: this machine's"),
  probes: z.array(probe).optional(),
});

/** Keys that only a Dockerfile, only packages, or only a full system has a use for. */
const only = {
  dockerfile: ["context", "target", "args", "contexts"],
  packages: ["from", "packages", "recommends", "roots", "keep", "carve", "run", "simulate", "files", "users"],
  carved: ["roots", "keep", "carve", "simulate"],
} as const;

const image = imageShape.superRefine((value, refinement) => {
  const refuse = (keys: readonly (keyof typeof value)[], why: string): void => {
    for (const key of keys) {
      if (value[key] !== undefined) refinement.addIssue({ code: "custom", path: [key], message: why });
    }
  };
  if (value.dockerfile === undefined) refuse(only.dockerfile, 'this belongs to an image with "dockerfile"');
  else refuse(only.packages, "this does not go with a Dockerfile, which says itself what is in the image");
  const isSystem = value.from !== undefined && "bootstrap" in value.from;
  if (isSystem) refuse(only.carved, "nothing of a full system is left out");
  else refuse(["run"], "only a full system runs commands: from: { bootstrap: SUITE }");
});

const project = z.strictObject({
  $schema: z.string().optional(),
  name: z
    .string()
    .regex(/^[a-z0-9]+([._-][a-z0-9]+)*$/, "a name like api-simulator is wanted")
    .optional()
    .describe("Name of the project; default: the directory's"),
  images: z
    .record(z.string().regex(/^[a-z0-9]+([._-][a-z0-9]+)*$/, "a name like web is wanted"), image)
    .refine((images) => Object.keys(images).length > 0, "at least one image is wanted"),
  contexts: contexts.optional().describe("What names stand for in the Dockerfiles of this project"),
  services: servicesSchema(healthcheck)
    .optional()
    .describe("What has to run beside the images, for probes and for whittle run"),
});

/** The schema of `whittle.yaml`. */
export const projectSchema: z.ZodType<ProjectRecipe> = project;

// Every value that the schema accepts is a recipe (above), and the other way round.
true satisfies ProjectRecipe extends z.output<typeof project> ? true : false;
