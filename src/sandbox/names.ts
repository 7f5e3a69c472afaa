import { WhittleError } from "../io/index.ts";

const adjectives =
  "amber brisk calm clear deft early fair fine frank fresh grand keen lean light lucid mild neat plain quick quiet sharp slim spare still swift tidy trim warm";
const nouns =
  "adze alder ash aspen awl beech birch burr cedar chisel elm fir gouge hazel larch linden maple oak pine plane rasp rowan spruce walnut willow yew";

/** A name that is easy to say, made from a container's id. */
export function nameFromId(id: string): string {
  const pick = (words: string, at: number): string => {
    const list = words.split(" ");
    return list[Number.parseInt(id.slice(at, at + 6), 16) % list.length] ?? "";
  };
  return `${pick(adjectives, 0)}_${pick(nouns, 6)}`;
}

/**
 * Checks a container's or pod's name (Docker's rule).
 *
 * @throws WhittleError `USAGE`
 */
export function checkName(name: string): string {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/.test(name)) return name;
  throw new WhittleError(
    "USAGE",
    `Cannot use the name "${name.slice(0, 100)}": letters, digits, "_", "." and "-" are wanted, the first one a letter or digit`,
  );
}
