"""Hostile videos."""

from hostile.judge import demand, finite
from hostile.mutations import damaged

PLAYLISTS = (b"#EXTM3U\n#EXTINF:1,\nfilm.mp4\n", b"ffconcat version 1.0\nfile film.mp4\n", b"<MPD>", b"[playlist]\n")


class Videos:
    """Videos, to frames: damaged in one to four places, in their headers, by cuts and by parts of another container."""

    def __init__(self, samples):
        from bmn.video.decoder import Decoder, Wanted

        self.decoder, self.wanted = Decoder(), Wanted(seconds=0.5, frames=2, size=16)
        self.samples = {path.suffix: path.read_bytes() for path in sorted(samples.glob("film.*"))}

    def attack(self, rng, folder):
        suffix = rng.choice(list(self.samples))
        content = self.samples[suffix]
        match rng.randrange(12):
            case 0:
                content = content[: rng.randrange(len(content))]
            case 1:
                content = rng.choice((b"", *PLAYLISTS, rng.randbytes(rng.randrange(5000))))
            case 2:  # noise over the pictures
                for _ in range(rng.randrange(1, 200)):
                    at = rng.randrange(len(content) - 8)
                    content = content[:at] + rng.randbytes(8) + content[at + 8 :]
            case _:
                content = damaged(rng, content, list(self.samples.values()))
        path = folder / f"film{rng.choice((suffix, *self.samples))}"
        path.write_bytes(content)
        decoded = self.decoder.open(path, self.wanted)
        demand(finite(decoded.duration) and 0 < decoded.duration <= 24 * 3600, decoded.duration)
        shapes = {image.shape for image in decoded.images}
        demand(shapes == {(2, 16, 16, 3)}, shapes)
        demand([each.name for each in folder.iterdir()] == [path.name], "files beside the video")
