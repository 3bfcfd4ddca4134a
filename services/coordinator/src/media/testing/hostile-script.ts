import { basename } from "node:path";

/** What a hostile file tries to reach: a port of this machine that listens, and a file. */
export interface Canaries {
  readonly port: number;
  readonly file: string;
}

const host = "127.0.0.1";
const playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n";

/** Files that name other files or hosts: a name for each kind, and what it says. */
export const hostileScripts: Readonly<Record<string, (canaries: Canaries) => string>> = {
  playlist: ({ port }) => `${playlist}#EXTINF:1,\nhttp://${host}:${port}/a.ts\n`,
  "playlist of a file": ({ file }) => `${playlist}#EXTINF:1,\nfile:${file}\n`,
  "playlist with a key": ({ port, file }) =>
    `${playlist}#EXT-X-KEY:METHOD=AES-128,URI="http://${host}:${port}/key"\n#EXTINF:1,\n${file}\n`,
  ffconcat: ({ file }) => `ffconcat version 1.0\nfile '${basename(file)}'\n`,
  concat: ({ file }) => `file '${file}'\n`,
  sdp: ({ port }) => `v=0\no=- 0 0 IN IP4 ${host}\nc=IN IP4 ${host}\nm=video ${port} RTP/AVP 96\n`,
  dash: ({ port }) => `<?xml version="1.0"?><MPD><BaseURL>http://${host}:${port}/</BaseURL></MPD>`,
  asx: ({ port }) =>
    `<ASX version="3.0"><Entry><Ref href="http://${host}:${port}/"/></Entry></ASX>`,
  lavfi: ({ file }) => `movie=${file}`,
  avisynth: ({ file }) => `DirectShowSource("${file}")`,
  address: ({ port }) => `http://${host}:${port}/clip.mp4\n`,
  pattern: () => "/tmp/%d.png",
};
