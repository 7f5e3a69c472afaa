import { isIP } from "node:net";
import { WhittleError } from "../io/index.ts";

/**
 * The value of `--add-host`: `NAME:ADDRESS` or `NAME=ADDRESS`; an IPv6 address may stand in brackets.
 *
 * @throws WhittleError `USAGE`
 */
export function extraHost(text: string): { readonly name: string; readonly address: string } {
  const [, name = "", address = ""] = /^([^:=\s]+)[:=]\[?([^\]\s]+)\]?$/.exec(text) ?? [];
  if (name !== "" && isIP(address) !== 0) return { name, address };
  throw new WhittleError("USAGE", `Cannot add the host "${text}": NAME:ADDRESS is wanted`, {
    ...(address === "host-gateway"
      ? { hint: "there is no gateway that stands for this machine; with --network=host it is 127.0.0.1" }
      : {}),
  });
}
