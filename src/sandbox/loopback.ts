import { loopbackUp } from "./system.ts";

// The program that is started in a new network where nothing else brings loopback up.
loopbackUp();
