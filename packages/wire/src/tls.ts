export { listenAt } from "./tls/listen-at.js";
export { natsAdvice } from "./tls/nats-advice.js";
export { readTlsFolder, type TlsFiles, type TlsIdentity } from "./tls/read-tls-folder.js";
export { nameOfRole, type Role, roles } from "./tls/role.js";
export { type Caller, type CallerRules, createServer, type Refusal } from "./tls/role-guard.js";
export {
  type ChannelTo,
  type NatsTls,
  openTls,
  plainTransport,
  type Transport,
} from "./tls/transport.js";
