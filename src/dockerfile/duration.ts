/** Nanoseconds of each unit of a duration. */
const units: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/**
 * Reads a duration as Go writes it (`1m30s`, `1.5h`, `300ms`).
 *
 * @returns nanoseconds
 * @throws RangeError when it is none, or longer than 292 years
 */
export function parseDuration(text: string): number {
  const sign = text.startsWith("-") ? -1 : 1;
  let rest = text.replace(/^[+-]/, "");
  if (rest === "0") return 0;
  if (rest === "") throw new RangeError(`time: invalid duration ${JSON.stringify(text)}`);
  let total = 0;
  while (rest !== "") {
    const number = /^(?:\d+\.?\d*|\.\d+)/.exec(rest)?.[0];
    if (number === undefined) throw new RangeError(`time: invalid duration ${JSON.stringify(text)}`);
    const unit = /^[^.\d]*/.exec(rest.slice(number.length))?.[0] ?? "";
    if (unit === "") throw new RangeError(`time: missing unit in duration ${JSON.stringify(text)}`);
    const factor = Object.hasOwn(units, unit) ? units[unit] : undefined;
    if (factor === undefined) {
      throw new RangeError(`time: unknown unit ${JSON.stringify(unit)} in duration ${JSON.stringify(text)}`);
    }
    total += Math.trunc(Number((Number(number) * factor).toPrecision(15)));
    rest = rest.slice(number.length + unit.length);
  }
  if (total > 2 ** 63) throw new RangeError(`time: invalid duration ${JSON.stringify(text)}`);
  return sign * total;
}
