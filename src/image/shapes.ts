// What the documents of an image must look like, member by member.
import {
  type Check,
  digest,
  exactly,
  flag,
  integer,
  list,
  mapOf,
  members,
  nullable,
  shaped,
  size,
  text,
} from "./json.ts";

const mediaType = shaped(
  /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/,
  "a media type",
);
const annotations = mapOf(text);
// RFC 3339, section 5.6.
const time = shaped(
  /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/,
  "a time such as 2015-10-31T22:22:56Z",
);

const platformMembers = {
  architecture: text,
  os: text,
  variant: text,
  "os.version": text,
  "os.features": list(text),
};

/** A descriptor (image-spec, "OCI Content Descriptors"). */
export const descriptor: Check = members(
  {
    mediaType,
    digest,
    size,
    annotations: nullable(annotations),
    platform: members(platformMembers, ["architecture", "os"]),
    artifactType: mediaType,
    urls: nullable(list(shaped(/^[A-Za-z][A-Za-z0-9+.-]*:\S+$/, "an address"))),
    data: shaped(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/, "text in base64"),
  },
  ["mediaType", "digest", "size"],
);

const manifestMembers = {
  schemaVersion: exactly(2),
  mediaType,
  artifactType: mediaType,
  config: descriptor,
  subject: descriptor,
  annotations: nullable(annotations),
};
/** A manifest as the image-spec has it: at least one layer. */
export const ociManifest = members({ ...manifestMembers, layers: list(descriptor, 1) }, [
  "schemaVersion",
  "config",
  "layers",
]);
/** A manifest as Docker and BuildKit write it: an image of nothing but configuration has no layer at all. */
export const bareManifest = members({ ...manifestMembers, layers: list(descriptor) }, [
  "schemaVersion",
  "config",
  "layers",
]);
/** An image index (image-spec, "OCI Image Index"). */
export const index = members(
  {
    schemaVersion: exactly(2),
    mediaType,
    artifactType: mediaType,
    manifests: list(descriptor),
    subject: descriptor,
    annotations: nullable(annotations),
  },
  ["schemaVersion", "manifests"],
);

const emptyMembers = nullable(mapOf(() => undefined));
const containerConfig = members(
  {
    User: text,
    ExposedPorts: emptyMembers,
    Env: nullable(list(shaped(/^[^=]+=/s, "NAME=VALUE"))),
    Entrypoint: nullable(list(text)),
    Cmd: nullable(list(text)),
    Volumes: emptyMembers,
    WorkingDir: text,
    Labels: nullable(annotations),
    StopSignal: text,
    Healthcheck: nullable(
      members(
        {
          Test: nullable(list(text)),
          Interval: integer,
          Timeout: integer,
          StartPeriod: integer,
          StartInterval: integer,
          Retries: integer,
        },
        [],
      ),
    ),
    Shell: nullable(list(text)),
    OnBuild: nullable(list(text)),
    ArgsEscaped: flag,
  },
  [],
);
/** An image configuration (image-spec, "OCI Image Configuration"). */
export const config = members(
  {
    ...platformMembers,
    created: nullable(time),
    author: text,
    config: nullable(containerConfig),
    rootfs: members({ type: exactly("layers"), diff_ids: list(digest) }, ["type", "diff_ids"]),
    history: nullable(
      list(
        members(
          { created: nullable(time), created_by: text, author: text, comment: text, empty_layer: flag },
          [],
        ),
      ),
    ),
  },
  ["architecture", "os", "rootfs"],
);
