import { namesAccount, type Step, scratchStep } from "../../build/index.ts";
import type { Instruction } from "../instruction.ts";
import { mistake } from "../place.ts";

/**
 * Refuses an owner by name where there is nothing in which it could be looked up: at the start of a stage that is from
 * scratch, and with `--link`, whose layer does not know what is below. A tree without accounts is something else, there
 * an unknown name stands for root.
 *
 * @param below - comes to the tree that has the accounts
 * @throws WhittleError `DOCKERFILE_INVALID`
 */
export function requireAccounts(instruction: Instruction, owner: string | undefined, below: Step): void {
  if (owner === undefined || below !== scratchStep || !namesAccount(owner)) return;
  const link = "link" in instruction && instruction.link === true;
  const why = link ? " with --link: its layer does not know what is below" : ": there are no accounts yet";
  throw mistake(instruction.place, `invalid owner "${owner}"${why}`, {
    part: owner,
    hint: link ? "give numbers, or leave out --link" : "give numbers",
  });
}
