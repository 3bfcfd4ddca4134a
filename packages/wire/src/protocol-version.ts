/**
 * What both ends must agree on. It grows with a change that an older process would misread; fields
 * that it may leave out are no such change.
 */
export const protocolVersion = 3;
