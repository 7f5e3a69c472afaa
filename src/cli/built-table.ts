import { formatPlatform } from "../image/index.ts";
import type { BuiltImage, BuiltPlatform } from "../project/index.ts";
import { formatBytes, formatTable } from "./format.ts";
import { paint } from "./paint.ts";

/** What was built: one line a platform with its sizes, files and digest. */
export function builtTable(images: readonly BuiltImage[], colour: boolean): string {
  const p = paint(colour);
  const rows = images.flatMap((image) =>
    image.platforms.map((platform) => [
      image.name,
      formatPlatform(platform.platform),
      ...measures(platform),
      platform.descriptor.digest.slice(0, 19),
    ]),
  );
  const table = formatTable(
    [
      { title: "IMAGE" },
      { title: "PLATFORM" },
      { title: "COMPRESSED", align: "right" },
      { title: "UNPACKED", align: "right" },
      { title: "FILES", align: "right" },
      { title: "DIGEST" },
    ],
    rows,
  );
  const [title = "", ...lines] = table.split("\n");
  return [p.bold(title), ...lines].join("\n");
}

function measures(platform: BuiltPlatform): string[] {
  const { layers } = platform;
  const sum = (pick: (layer: (typeof layers)[number]) => number): number =>
    layers.reduce((total, layer) => total + pick(layer), 0);
  return [
    formatBytes(sum((layer) => layer.descriptor.size)),
    formatBytes(sum((layer) => layer.unpackedSize)),
    String(sum((layer) => layer.files)),
  ];
}
