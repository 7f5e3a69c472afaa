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

/** What a base's layers hold is known when they are unpacked, so the table says what lies over them. */
function measures({ base, layers }: BuiltPlatform): string[] {
  const compressed = sum([...base, ...layers.map(({ descriptor }) => descriptor)].map(({ size }) => size));
  const above = base.length === 0 ? "" : "base + ";
  return [
    formatBytes(compressed),
    above + formatBytes(sum(layers.map(({ unpackedSize }) => unpackedSize))),
    above + String(sum(layers.map(({ files }) => files))),
  ];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
