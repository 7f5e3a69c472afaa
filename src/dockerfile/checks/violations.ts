import { WhittleError } from "../../io/index.ts";
import type { Dockerfile } from "../instruction.ts";
import { invalid } from "../place.ts";
import type { Warning } from "../statements.ts";
import { type CheckSettings, isChecked, readCheckSettings } from "./settings.ts";

/** The build argument that overrides the directive `check`. */
const overriding = "BUILDKIT_DOCKERFILE_CHECK";

/** What the checks of one build found: lets through what counts, and remembers it. */
export class Violations {
  readonly #settings: CheckSettings;
  readonly #file: string;
  readonly #tell: (warning: Warning) => void;
  readonly #found: Warning[] = [];

  /**
   * @param tell - is told of what counts
   * @throws WhittleError `DOCKERFILE_INVALID` for settings that are none
   */
  constructor(
    dockerfile: Pick<Dockerfile, "file" | "check">,
    buildArguments: ReadonlyMap<string, string>,
    tell: (warning: Warning) => void,
  ) {
    this.#file = dockerfile.file;
    this.#settings = settingsOf(dockerfile, buildArguments.get(overriding));
    this.#tell = tell;
  }

  /** Something was found. */
  add(warning: Warning): void {
    if (!isChecked(warning.rule, this.#settings)) return;
    this.#found.push(warning);
    this.#tell(warning);
  }

  /** @throws WhittleError `CHECK_FAILED` when something was found and that is to be an error */
  requireNone(): void {
    const [first] = this.#found;
    if (!this.#settings.error || first === undefined) return;
    const rules = [...new Set(this.#found.map(({ rule }) => rule))].sort().join(", ");
    throw new WhittleError(
      "CHECK_FAILED",
      `Cannot build from ${this.#file}: lint violation found for rules: ${rules}`,
      {
        at: first.at,
        hint: "skip them with # check=skip=RULE,… at the top of the file, or take error=true away",
      },
    );
  }
}

function settingsOf(
  { file, check = "" }: Pick<Dockerfile, "file" | "check">,
  override: string | undefined,
): CheckSettings {
  try {
    return readCheckSettings(override ?? check);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const where = override === undefined ? "" : ` of the build argument ${overriding}`;
    throw invalid(`Cannot build from ${file}: failed to parse check options${where}: ${error.message}`);
  }
}
