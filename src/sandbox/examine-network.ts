import type { Environment } from "../io/index.ts";
import type { Finding } from "./examine.ts";
import { isRoot } from "./machine.ts";
import { findOutbound, mayOpenTunnel, tunnel } from "./outbound.ts";

const without = "containers reach nothing outside, and RUN uses the machine's network";

/** Whether a network of its own has a way out. */
export async function examineNetwork(environment: Environment): Promise<Finding> {
  const topic = "way out of networks";
  const program = await findOutbound(environment);
  if (program !== undefined) return { topic, status: "ok", found: program.path };
  if (await mayOpenTunnel()) {
    // As root pasta gives up the privileges that it would need here.
    const wanted = isRoot() ? "no slirp4netns" : "neither slirp4netns nor pasta";
    return {
      topic,
      status: "limited",
      found: `${wanted}: ${without}`,
      hint: "apt-get install slirp4netns",
    };
  }
  return {
    topic,
    status: "limited",
    found: `${tunnel} may not be opened: ${without}`,
    hint: `as root: mkdir -p /dev/net && modprobe tun && chmod 666 ${tunnel}`,
  };
}
