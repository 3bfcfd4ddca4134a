export type { Edit } from "./generated/retake/v1/edit.js";
