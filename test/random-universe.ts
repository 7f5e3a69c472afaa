import { createHash } from "node:crypto";

/** A repeatable source of small numbers. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** A whole number from 0 to below `sides`. */
  roll(sides: number): number {
    this.#state = (Math.imul(this.#state, 1103515245) + 12345) & 0x7fffffff;
    return (this.#state >>> 16) % sides;
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[this.roll(items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  }
}

const virtualNames = ["v1", "v2", "v3", "v4"];

/** A `Packages` file of packages that depend on, exclude and provide each other at random. */
export function randomPackages(dice: Dice, count: number): { text: string; names: string[] } {
  const names = Array.from({ length: count }, (_, number) => `p${number}`);
  const stanzas = names.flatMap((name) =>
    Array.from({ length: dice.roll(8) === 0 ? 2 : 1 }, (_, number) => stanza(dice, name, number, names)),
  );
  return { text: stanzas.join("\n"), names: [...names, ...virtualNames] };
}

function stanza(dice: Dice, name: string, number: number, names: readonly string[]): string {
  const relation = () => {
    const target = `${dice.roll(8) === 0 ? dice.pick(virtualNames) : dice.pick(names)}${dice.roll(25) === 0 ? ":any" : ""}`;
    const kind = dice.roll(10);
    return kind > 1 ? target : `${target} (${kind === 0 ? ">=" : "<<"} ${1 + dice.roll(3)})`;
  };
  const group = () => list(dice.roll(3) === 0 ? 2 + dice.roll(2) : 1, relation, " | ");
  const list = (length: number, each: () => string, separator = ", ") =>
    Array.from({ length }, each).join(separator);
  const provided = () => dice.pick(virtualNames) + (dice.roll(3) === 0 ? ` (= ${1 + dice.roll(3)})` : "");
  const sometimes = (sides: number, field: string, value: () => string) =>
    dice.roll(sides) === 0 ? [`${field}: ${value()}`] : [];
  return [
    `Package: ${name}`,
    `Version: ${1 + dice.roll(3)}${number === 0 ? "" : "+b"}`,
    `Architecture: ${dice.pick(["amd64", "amd64", "all"])}`,
    `Filename: ./${name}_${number}.deb`,
    "Size: 1",
    `SHA256: ${createHash("sha256").update(`${name} ${number}`).digest("hex")}`,
    `Priority: ${dice.pick(["optional", "optional", "optional", "extra", "important", "standard"])}`,
    ...sometimes(2, "Depends", () => list(1 + dice.roll(2), group)),
    ...sometimes(4, "Conflicts", () => list(1 + dice.roll(2), relation)),
    ...sometimes(6, "Breaks", relation),
    ...sometimes(3, "Recommends", () => list(1 + dice.roll(2), group)),
    ...sometimes(5, "Suggests", group),
    ...sometimes(2, "Provides", () => list(1 + dice.roll(2), provided)),
    ...sometimes(6, "Multi-Arch", () => dice.pick(["foreign", "allowed"])),
    ...sometimes(40, "Essential", () => "yes"),
    "",
  ].join("\n");
}
