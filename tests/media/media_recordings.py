"""Valid recordings, as the tools write them: each is in a container that an edition takes, so none is refused."""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from media_kit import Maker, Studio, write_amr, write_amr_wb


class Recording(NamedTuple):
    """A valid recording.

    *container* is what the editions call it; *said* is what has to be declared of bare samples. *is_timed* is False where
    its headers do not tell how long it lasts.
    """

    name: str
    container: str
    maker: Maker
    said: dict[str, Any] = {}  # noqa: RUF012 - never changed
    is_timed: bool = True

    @property
    def tool(self) -> str:
        """The program that wrote the file; in a command of several lines it is the last."""
        return self.maker.strip().splitlines()[-1].split()[0] if isinstance(self.maker, str) else "library"


def _chained(studio: Studio, target: Path) -> None:
    """Put two Ogg streams one after the other, as internet radios and some recorders do (RFC 3533, chaining)."""
    first = studio.made("first.opus", "opusenc --quiet --serial 1 {speech} {out}")
    second = studio.made("second.opus", "opusenc --quiet --serial 2 {wide} {out}")
    target.write_bytes(first.read_bytes() + second.read_bytes())


def _stopped(studio: Studio, target: Path) -> None:
    """Leave out the last page, as browsers and killed recorders do: no page has the mark of the end."""
    whole = studio.made("whole.opus", "ffmpeg -i {speech} -c:a libopus -page_duration 200000 {out}").read_bytes()
    target.write_bytes(whole[: whole.rindex(b"OggS")])


def _tagged_aac(studio: Studio, target: Path) -> None:
    """Put an ID3 tag before ADTS, as internet radios do: the segments of HLS have one each."""
    tagged = studio.made("tagged.mp3", "ffmpeg -i {speech} -metadata title=talk -id3v2_version 4 {out}").read_bytes()
    bare = studio.made("bare.aac", "ffmpeg -i {speech} {out}").read_bytes()
    size = 10 + (tagged[6] << 21 | tagged[7] << 14 | tagged[8] << 7 | tagged[9])
    target.write_bytes(tagged[:size] + bare)


WAV = [
    Recording("espeak.wav", "wav", 'espeak-ng -w {out} "Good morning."'),
    Recording("espeak-mandarin.wav", "wav", "espeak-ng -v cmn -w {out} 早上好"),
    Recording("espeak-to-pipe.wav", "wav", 'espeak-ng --stdout "Good morning." > {out}'),
    Recording("8-bit-8-khz.wav", "wav", "sox {speech} -r 8000 -b 8 {out}"),
    Recording("16-bit-16-khz.wav", "wav", "sox {speech} -r 16000 -b 16 {out}"),
    Recording("stereo-44-khz.wav", "wav", "sox {speech} -r 44100 -c 2 -b 16 {out}"),
    Recording("24-bit-48-khz.wav", "wav", "sox {speech} -r 48000 -b 24 {out}"),
    Recording("32-bit.wav", "wav", "sox {speech} -b 32 {out}"),
    Recording("float.wav", "wav", "sox {speech} -e floating-point -b 32 {out}"),
    Recording("double.wav", "wav", "sox {speech} -e floating-point -b 64 {out}"),
    Recording("a-law.wav", "wav", "sox {speech} -r 8000 -e a-law {out}"),
    Recording("mu-law.wav", "wav", "sox {speech} -r 8000 -e mu-law {out}"),
    Recording("ima-adpcm.wav", "wav", "sox {speech} -r 8000 -e ima-adpcm {out}"),
    Recording("ms-adpcm.wav", "wav", "sox {speech} -r 8000 -e ms-adpcm {out}"),
    Recording("gsm.wav", "wav", "sox {speech} -r 8000 -e gsm-full-rate {out}"),
    Recording("sox-to-pipe.wav", "wav", "sox {speech} -t wav - > {out}"),
    Recording("sox-plain-header.wav", "wav", "sox {speech} -b 24 -t wavpcm {out}"),
    Recording("silence-first.wav", "wav", "sox {speech} -r 16000 {out} pad 2"),
    Recording("silence-only.wav", "wav", "sox -n -D -r 16000 -c 1 -b 16 {out} trim 0 1"),
    Recording("odd-size.wav", "wav", "sox {narrow} -b 8 {out} trim 0 8001s"),
    Recording("a-tenth-of-a-second.wav", "wav", "sox {speech} -r 16000 {out} trim 0.5 0.1"),
    Recording("5-1.wav", "wav", "ffmpeg -i {around} {out}"),
    Recording("extensible-24-bit.wav", "wav", "ffmpeg -i {music} -c:a pcm_s24le {out}"),
    Recording("rf64.wav", "wav", "ffmpeg -i {speech} -rf64 always {out}"),
    Recording("junk-before-format.wav", "wav", "ffmpeg -i {speech} -rf64 auto {out}"),
    Recording("broadcast.wav", "wav", "ffmpeg -i {speech} -write_bext 1 -metadata originator=studio {out}"),
    Recording(
        "list-before-data.wav", "wav", "ffmpeg -i {speech} -metadata title=talk -metadata comment=a-long-comment {out}"
    ),
    Recording("bare-header.wav", "wav", "ffmpeg -i {speech} -bitexact -map_metadata -1 {out}"),
    Recording("ffmpeg-to-pipe.wav", "wav", "ffmpeg -i {speech} -f wav - > {out}"),
    Recording("ima-adpcm-stereo.wav", "wav", "ffmpeg -i {music} -c:a adpcm_ima_wav {out}"),
    Recording("ms-adpcm-stereo.wav", "wav", "ffmpeg -i {music} -c:a adpcm_ms {out}"),
    Recording("lame-decoded.wav", "wav", "lame --quiet {speech} {folder}/a.mp3\nlame --quiet --decode {folder}/a.mp3 {out}"),
    Recording("capitals.WAV", "wav", "sox {speech} -r 16000 -t wav {out}"),
]  # fmt: skip
MP3 = [
    Recording("cbr.mp3", "mp3", "lame --quiet -b 64 {speech} {out}"),
    Recording("vbr.mp3", "mp3", "lame --quiet -V 4 {speech} {out}"),
    Recording("abr.mp3", "mp3", "lame --quiet --abr 96 {music} {out}"),
    Recording("no-info-frame.mp3", "mp3", "lame --quiet -t -b 128 {music} {out}"),
    Recording("checked.mp3", "mp3", "lame --quiet -p -b 128 {music} {out}"),
    Recording("mono-16-khz.mp3", "mp3", "lame --quiet -m m --resample 16 {speech} {out}"),
    Recording("8-khz.mp3", "mp3", "lame --quiet -m m --resample 8 -b 16 {speech} {out}"),
    Recording("id3v1.mp3", "mp3", "lame --quiet --id3v1-only --tt talk --ta someone {speech} {out}"),
    Recording("id3v2.mp3", "mp3", "lame --quiet --id3v2-only --tt talk --ta someone --pad-id3v2 {speech} {out}"),
    Recording("cover.mp3", "mp3", "lame --quiet --add-id3v2 --tt talk --ti {cover} {speech} {out}"),
    Recording("320-kbit.mp3", "mp3", "lame --quiet -b 320 {music} {out}"),
    Recording("lame-to-pipe.mp3", "mp3", "lame --quiet -V 4 {speech} - > {out}"),
    Recording("sox.mp3", "mp3", "sox {speech} -C 64 {out}"),
    Recording("ffmpeg.mp3", "mp3", "ffmpeg -i {music} -b:a 96k {out}"),
    Recording("ffmpeg-to-pipe.mp3", "mp3", "ffmpeg -i {speech} -f mp3 - > {out}"),
    Recording(
        "poster.mp3", "mp3", "ffmpeg -i {speech} -i {poster} -map 0 -map 1 -c:v copy -metadata title=talk {out}"
    ),
    Recording("mp3-without-suffix", "mp3", "lame --quiet -b 64 {speech} {out}"),
]  # fmt: skip
OGG = [
    Recording("opusenc.opus", "ogg", "opusenc --quiet {speech} {out}"),
    Recording("opusenc-16-khz.ogg", "ogg", "opusenc --quiet --bitrate 16 --framesize 60 {wide} {out}"),
    Recording("opusenc-stereo.ogg", "ogg", "opusenc --quiet {music} {out}"),
    Recording("opusenc-cover.opus", "ogg", "opusenc --quiet --title talk --picture {cover} {speech} {out}"),
    Recording("opusenc-5-1.opus", "ogg", "opusenc --quiet {around} {out}"),
    Recording("opusenc-to-pipe.opus", "ogg", "opusenc --quiet {speech} - > {out}"),
    Recording("opusenc-chained.opus", "ogg", _chained, is_timed=False),
    Recording("stopped.opus", "ogg", _stopped),
    Recording("ffmpeg.opus", "ogg", "ffmpeg -i {speech} -ar 16000 -c:a libopus -b:a 24k {out}"),
    Recording("ffmpeg-to-pipe.opus", "ogg", "ffmpeg -i {speech} -c:a libopus -f ogg - > {out}"),
    Recording("vorbis.ogg", "ogg", "ffmpeg -i {speech} -c:a libvorbis {out}"),
    Recording("sox-vorbis.ogg", "ogg", "sox {music} -t vorbis {out}"),
    Recording("flac.oga", "ogg", "ffmpeg -i {speech} -c:a flac -f oga {out}"),
    Recording("speex.spx", "spx", "ffmpeg -i {speech} -ar 16000 -c:a libspeex {out}"),
]  # fmt: skip
MP4 = [
    Recording("index-at-end.m4a", "m4a", "ffmpeg -i {speech} -c:a aac {out}"),
    Recording("index-first.m4a", "m4a", "ffmpeg -i {speech} -c:a aac -movflags +faststart {out}"),
    Recording(
        "fragmented.m4a", "m4a",
        "ffmpeg -i {speech} -c:a aac -movflags frag_keyframe+empty_moov+default_base_moof -frag_duration 500000 {out}",
        is_timed=False,
    ),
    Recording("alac.m4a", "m4a", "ffmpeg -i {speech} -c:a alac {out}"),
    Recording("8-khz.m4a", "m4a", "ffmpeg -i {narrow} -c:a aac -ar 8000 -b:a 16k {out}"),
    Recording("cover.m4a", "m4a", "ffmpeg -i {speech} -i {cover} -map 0 -map 1 -c:a aac -c:v copy -disposition:v attached_pic {out}"),
    Recording("android.m4a", "mp4", "ffmpeg -i {speech} -c:a aac -f mp4 -brand mp42 -metadata com.android.version=14 {out}"),
    Recording("browser.mp4", "mp4", "ffmpeg -i {speech} -c:a aac -f mp4 -brand iso5 -movflags frag_every_frame+empty_moov+default_base_moof - > {out}", is_timed=False),
    Recording("sound-only.mp4", "mp4", "ffmpeg -i {speech} -c:a aac {out}"),
    Recording("phone.3gp", "mp4", "ffmpeg -i {narrow} -c:a aac {out}"),
    Recording("film.mp4", "mp4", "ffmpeg -i {film} -c copy {out}"),
]  # fmt: skip
OTHERS = [
    Recording("sox.amr", "amr", "sox {speech} -r 8000 -C 7 -t amr-nb {out}"),
    Recording("sox-4750.amr", "amr", "sox {speech} -r 8000 -C 0 -t amr-nb {out}"),
    Recording("ffmpeg-copied.amr", "amr", "sox {speech} -r 8000 -t amr-nb {folder}/a.amr\nffmpeg -f amr -i {folder}/a.amr -c copy {out}"),
    Recording("phone.amr", "amr", write_amr),
    Recording("phone-wide.amr", "amr", partial(write_amr_wb, dtx=True)),
    Recording("wide.awb", "amr", write_amr_wb),
    Recording("adts.aac", "aac", "ffmpeg -i {speech} -c:a aac {out}"),
    Recording("adts-stereo.aac", "aac", "ffmpeg -i {music} -c:a aac -b:a 96k {out}"),
    Recording("adts-mpeg-2.aac", "aac", "ffmpeg -i {speech} -c:a aac -f adts -write_mpeg2 1 {out}"),
    Recording("adts-id3.aac", "aac", _tagged_aac),
    Recording("samples.pcm", "pcm", "sox {speech} -t raw -r 16000 -b 16 -e signed {out}", {"rate": 16000, "bits": 16, "channel": 1}),
    Recording("silence-first.pcm", "pcm", "sox {wide} -t raw -r 16000 -b 16 -e signed {out} pad 2", {"format": "pcm", "rate": 16000}),
    Recording("named.pcm", "pcm", "sox {wide} -t raw -r 16000 -b 16 -e signed {out} pad 1"),
    Recording("samples.raw", "raw", "ffmpeg -i {speech} -f s16le -ar 8000 -ac 2 {out}", {"rate": 8000, "bits": 16, "channel": 2}),
    Recording("samples.bin", "pcm", "ffmpeg -i {speech} -f s16le -ar 16000 -ac 1 {out}", {"format": "pcm", "rate": 16000, "bits": 16, "channel": 1}),
]  # fmt: skip
RECORDINGS = [*WAV, *MP3, *OGG, *MP4, *OTHERS]
TOOLS = {"ffmpeg", "sox", "lame", "opusenc", "espeak-ng"}
