"""What each command's help shows as examples: lines that can be copied, each with what it is for."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "transcribe": (
        ("a link, through the standard edition", "volcasr transcribe https://example.com/talk.mp3"),
        ("a file, through flash, as subtitles", "volcasr transcribe talk.wav -o talk.srt --columns 32"),
        (
            "who says what in a meeting",
            "volcasr transcribe -e standard --enable-speaker-info -f speakers https://example.com/meeting.mp3",
        ),
        ("many files, a text for each", "volcasr transcribe *.wav -o texts/"),
        ("the sound of a film", "ffmpeg -i film.mkv -vn -f wav - | volcasr transcribe - -o film.srt"),
        ("words that it should know", "volcasr transcribe talk.wav --hotword 豆包 --hotword 火山引擎"),
    ),
    "batch": (
        ("a text for each link; again to go on", "volcasr batch urls.txt -o texts"),
        ("off-peak, at 50 requests a second", "volcasr batch urls.txt -o out -f json -e idle --qps 50"),
        ("a directory and those in it", "volcasr batch talks --recursive -o out"),
        ("all the WAV files of a directory", "find talks -name '*.wav' | volcasr batch - -o out"),
        ("JSON lines for a program", "volcasr batch urls.txt --journal run.db -f json > results.jsonl"),
    ),
    "status": (
        ("how far a batch has come", "volcasr status texts/volcasr-journal.db"),
        ("what failed", "volcasr status texts/volcasr-journal.db --failed 20"),
    ),
    "submit": (
        ("submit now, wait later", "volcasr submit https://example.com/talk.mp3 > task.json"),
        (
            "let the service call when it is done",
            "volcasr submit --callback https://example.com/done https://example.com/talk.mp3",
        ),
    ),
    "query": (("ask once", "volcasr query @task.json"),),
    "wait": (
        ("wait, and write subtitles", "volcasr wait @task.json -o talk.srt"),
        ("the same without a file between", "volcasr submit https://example.com/talk.mp3 | volcasr wait -"),
    ),
    "convert": (
        ("subtitles of a kept result", "volcasr convert talk.json -o talk.srt"),
        ("minutes with times and speakers", "volcasr convert talk.json -o minutes.md"),
        ("a table for Excel", "volcasr convert talk.json -o talk.csv --bom"),
        ("two speakers, with their names", "volcasr convert talk.json -f vtt --labels --label-language en"),
    ),
    "doctor": (
        ("look at everything", "volcasr doctor"),
        ("another edition, a credentials file", "volcasr doctor -e idle --credentials volcasr.toml"),
        ("for a program", "volcasr doctor -f json"),
    ),
    "simulate": (
        ("a service to develop against", "volcasr simulate --port 8080"),
        ("one that loses three answers in ten", "volcasr simulate --fault lost-answer=0.3 --qps 20"),
        ("one that is busy at each first submit", "volcasr simulate --fault refuse-busy:submit,times=1"),
        ("one that hosts the recordings too", "volcasr simulate --audio talks/"),
    ),
    "demo": (("everything, without credentials", "volcasr demo"),),
    "probe": (
        ("what each edition says to a file", "volcasr probe talk.wav"),
        ("the ones that flash refuses, for a program", "volcasr probe -f json *.m4a"),
    ),
}
