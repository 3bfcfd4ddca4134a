const slugCharactersMax = 48;

/** `1-a-horse-is-running.mp4`: the number keeps them apart, the words say which is which. */
export function editFileName(prompt: string, index: number): string {
  const words = prompt
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, slugCharactersMax)
    .replace(/^-+|-+$/g, "");
  return words === "" ? `${index + 1}.mp4` : `${index + 1}-${words}.mp4`;
}
