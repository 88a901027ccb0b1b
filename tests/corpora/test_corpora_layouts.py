"""Layouts: each is recognised as itself and read as its publishers mean it."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mosdata.corpora import LAYOUTS, read_corpus
from mosdata.corpora.layouts import describe_layouts, detect, fits
from mosdata.corpora.read import open_table
from mosdata.errors import InvalidRatings, NothingFound, UnknownName

NISQA_HEADER = (
    "db,con,file,con_description,filename_deg,filename_ref,source,lang,votes,mos,noi,col,dis,loud,"
    "noi_std,col_std,dis_std,loud_std,mos_std,filepath_deg,filepath_ref"
)
URGENT_RECORD = {
    "audio_path": "/corpora/x/enh7_0003.flac",
    "uid": "enh7:0003",
    "system_id": "enh7",
    "reference_id": "0003",
    "duration": 3.5,
    "metrics": {"mos_overall": 3.5, "utmos": 2.9},
    "meta": {"mos_overall": [["", 3.0], ["", 4.0]]},
}


@dataclass(frozen=True)
class Example:
    """A tiny invented table and the first clip and rating that it holds."""

    layout: str
    file: str
    text: str
    clip: dict = field(default_factory=dict)
    rating: dict = field(default_factory=dict)
    num_ratings: int = 2


EXAMPLES = {
    "bvcc listeners": Example(
        layout="bvcc",
        file="TRAINSET",
        text=(
            "sys11,sys11-utt5.wav,4,Set7_1,{}_30-39_Anna7_Female_Valid_1_No\n"
            "sys11,sys11-utt5.wav,3,Set7_2,{}_20-29_Bert8_Male_Valid_1_No\n"
        ),
        clip={
            "name": "sys11-utt5",
            "audio": "sys11-utt5.wav",
            "system": "sys11",
            "sentence": "utt5",
            "split": "train",
            "mos": None,
        },
        rating={"value": 4.0, "rater": "Anna7", "dimension": "mos", "votes": None},
    ),
    "bvcc means": Example(
        layout="bvcc",
        file="val_mos_list.txt",
        text="sys11-utt5.wav,3.5\nsys12-utt5.wav,4.125\n",
        clip={"name": "sys11-utt5", "system": "sys11", "split": "validation", "mos": 3.5},
        rating={"value": 3.5, "rater": None},
    ),
    "vcc2018": Example(
        layout="vcc2018",
        file="vcc2018_testing_data.csv",
        text=(
            "WAV_PATH,MEAN,MOS,JUDGE\n"
            "N06_VCC2TM1_VCC2SF4_30005_SPO.wav,3.5,3,ANNA\n"
            "N06_VCC2TM1_VCC2SF4_30005_SPO.wav,3.5,4,BERT\n"
        ),
        clip={
            "name": "N06_VCC2TM1_VCC2SF4_30005_SPO",
            "system": "SPO_N06",
            "speaker": "VCC2TM1",
            "sentence": "30005",
            "split": "test",
            "mos": 3.5,
        },
        rating={"value": 3.0, "rater": "ANNA"},
    ),
    "svcc23 listeners": Example(
        layout="svcc23",
        file="listener_wise_answer.csv",
        text=(
            "sample_id,listener_name,score\n"
            "VoiceMOS2023Track2-T09-SM1-CDF1-30002,anna,2\n"
            "VoiceMOS2023Track2-T09-SM1-CDF1-30002,bert,4\n"
        ),
        clip={"system": "T09", "speaker": "CDF1", "sentence": "30002", "mos": None},
        rating={"value": 2.0, "rater": "anna"},
    ),
    "svcc23 means": Example(
        layout="svcc23",
        file="answer.csv",
        text="VoiceMOS2023Track2-T09-SM1-CDF1-30002,3.0\nVoiceMOS2023Track2-B01-SM1-IDF1-30002,2\n",
        clip={"system": "T09", "mos": 3.0, "mos_scale": "acr_1_5"},
        rating={"value": 3.0, "rater": None, "votes": 0},
    ),
    "vmc23 track 1": Example(
        layout="vmc23",
        file="track1_answer.txt",
        text="VoiceMOS2023Track1-A-AD_test_0026,4.4\nVoiceMOS2023Track1-BF-AD_test_0026,2.25\n",
        clip={"system": "A", "sentence": "AD_test_0026", "mos": 4.4},
        rating={"value": 4.4},
    ),
    "vmc23 track 3": Example(
        layout="vmc23",
        file="track3_answer.txt",
        text=(
            "VoiceMOS2023Track3-NET_snr-2_babble_TMHINT_b2_21_02,1.25\n"
            "VoiceMOS2023Track3-TMHINT_b2_22_06,4.5\n"
        ),
        clip={"system": "NET_snr-2_babble", "sentence": "TMHINT_b2_21_02"},
        rating={"value": 1.25},
    ),
    "vmc24_track3 listeners": Example(
        layout="vmc24_track3",
        file="track3_listener_wise_answer.csv",
        text="\ufeffsample_id,sig,bak,ovr,listener\np232_sys1_005,3,4,2,anna\n",
        clip={"system": "sys1", "speaker": "p232", "sentence": "005"},
        rating={"value": 3.0, "dimension": "sig", "scale": "p835_1_5", "rater": "anna"},
        num_ratings=3,
    ),
    "vmc24_track3 means": Example(
        layout="vmc24_track3",
        file="track3_answer.csv",
        text="systems,SIG,BAK,OVR\np232_sys1_005,3.75,4.5,2.25\n",
        clip={"system": "sys1", "mos": 2.25, "mos_scale": "p835_1_5"},
        rating={"value": 3.75, "dimension": "sig"},
        num_ratings=3,
    ),
    "audiomos25_t3 listeners": Example(
        layout="audiomos25_t3",
        file="utt_24k.csv",
        text=(
            "uttID,lisID,rating\n"
            "audiomos-track3-24k_nvSR_1089_134686_000015_000002.wav,01,4\n"
            "audiomos-track3-24k_tts_1089_134686_000015_000002.wav,01,3\n"
        ),
        clip={
            "system": "24k_nvSR",
            "speaker": "1089",
            "sentence": "1089_134686_000015_000002",
            "split": "train",
        },
        rating={"value": 4.0, "rater": "01", "test": "24k"},
    ),
    "audiomos25_t3 means": Example(
        layout="audiomos25_t3",
        file="train_mos_list.txt",
        text="audiomos-track3-48k_sys2_utt07.wav,4.1\naudiomos-track3-16k_sys2_utt07.wav,3.9\n",
        clip={"system": "48k_sys2", "sentence": "utt07", "split": "train", "mos": 4.1},
        rating={"value": 4.1},
    ),
    "somos listeners": Example(
        layout="somos",
        file="raw_scores.tsv",
        text=(
            "utteranceId\tchoice\tlistenerId\tsystemId\tlocale\n"
            "novel_2007_0098_015.wav\t4\tANNA\t015\tus\n"
            "novel_2007_0098_016.wav\t3\tANNA\t016\tus\n"
        ),
        clip={"name": "novel_2007_0098_015", "system": "015", "sentence": "novel_2007_0098"},
        rating={"value": 4.0, "rater": "ANNA"},
    ),
    "somos means": Example(
        layout="somos",
        file="valid_mos_list.txt",
        text="utteranceId,mean\nnovel_2007_0098_015.wav,3.75\nwiki_0002_016.wav,4\n",
        clip={"system": "015", "split": "validation", "mos": 3.75},
        rating={"value": 3.75},
    ),
    "tmhint_qi": Example(
        layout="tmhint_qi",
        file="raw_data.csv",
        text=(
            "idx,method,uttr,snr,noise,quality_score,intelligibility_score,file_name\n"
            "7,FCN,21_02,-2,babble,4,9,FCN_b_-2_TMHINT_b2_21_02\n"
            "7,FCN,21_03,-2,babble,,9,FCN_b_-2_TMHINT_b2_21_03\n"
        ),
        clip={"system": "FCN--2-babble", "sentence": "TMHINT_b2_21_02"},
        rating={"value": 4.0, "rater": "7"},
        num_ratings=1,
    ),
    "nisqa corpus": Example(
        layout="nisqa",
        file="NISQA_corpus_file.csv",
        text=(
            f"{NISQA_HEADER}\n"
            "NISQA_VAL_SIM,7,f1,codec,c7_a.wav,a.wav,src,en,5,3.2,3.1,4,2.5,3.75,.5,.25,.75,.5,.84,"
            "NISQA_VAL_SIM/deg/c7_a.wav,NISQA_VAL_SIM/ref/a.wav\n"
        ),
        clip={
            "name": "NISQA_VAL_SIM/deg/c7_a",
            "audio": "NISQA_VAL_SIM/deg/c7_a.wav",
            "dataset": "NISQA_VAL_SIM",
            "system": "NISQA_VAL_SIM-7",
            "sentence": "a.wav",
            "language": "en",
            "split": "validation",
            "mos": 3.2,
            "mos_std": 0.84,
            "mos_votes": 5,
        },
        rating={"value": 3.2, "votes": 5, "std": 0.84, "dimension": "mos"},
        num_ratings=5,
    ),
    "nisqa means": Example(
        layout="nisqa",
        file="NISQA_corpus_mos.csv",
        text="filepath_deg,votes,mos,mos_std\nNISQA_TEST_FOR/deg/c1.wav,26,4.35,0.8\n",
        clip={"dataset": "NISQA_TEST_FOR", "split": "test", "mos_votes": 26},
        rating={"value": 4.35, "std": 0.8},
        num_ratings=1,
    ),
    "tencent": Example(
        layout="tencent",
        file="withReverberationTrainDevMOS.csv",
        text="deg_wav,mos\n./withReverberationTrainDevMOS/0000.wav,1.12\n./w/0001.wav,1.14\n",
        clip={"name": "withReverberationTrainDevMOS/0000", "system": None, "mos": 1.12},
        rating={"value": 1.12, "votes": 0},
    ),
    "pstn": Example(
        layout="pstn",
        file="pstn_train.csv",
        text="filename,MOS,std,95%CI,votes\n301_cut.wav,3.2,0.84,0.73,5\n302_cut.wav,2.25,,,1\n",
        clip={"mos": 3.2, "mos_std": 0.84, "mos_votes": 5, "split": "train"},
        rating={"value": 3.2, "votes": 5},
    ),
    "iub": Example(
        layout="iub",
        file="audio_scaled_mos_cosine.csv",
        text="AudioName,Ratings,MOS,AudioType,ScaledMOS\na1.wav,5,37.5,noisy,3.75\n",
        clip={"name": "a1", "mos": 37.5, "mos_scale": "mushra_0_100"},
        rating={"value": 37.5, "scale": "mushra_0_100"},
        num_ratings=1,
    ),
    "p835": Example(
        layout="p835",
        file="ratings.csv",
        text=(
            "file,condition,talker,votes,mos,mos_std,sig,sig_std,bak,bak_std\n"
            "c0_f1.wav,c0,f1,15,4.5,0.625,4.25,0.5,4.75,0.75\n"
        ),
        clip={
            "name": "c0_f1",
            "system": "c0",
            "speaker": "f1",
            "mos": 4.5,
            "mos_votes": 15,
            "mos_scale": "p835_1_5",
        },
        rating={"value": 4.5, "dimension": "ovrl", "std": 0.625},
        num_ratings=3,
    ),
    "sheet listeners": Example(
        layout="sheet",
        file="bvcc_train.csv",
        text=(
            "wav_path,system_id,sample_id,listener_id,score\n"
            "/c/wav/sys11-utt5.wav,sys11,utt5,anna,4\n"
            "/c/wav/sys11-utt5.wav,sys11,utt5,bert,3\n"
        ),
        clip={"name": "sys11-utt5", "audio": "/c/wav/sys11-utt5.wav", "split": "train"},
        rating={"value": 4.0, "rater": "anna"},
    ),
    "sheet means": Example(
        layout="sheet",
        file="bvcc_test.csv",
        text="wav_path,system_id,sample_id,avg_score\n/c/wav/sys11-utt5.wav,sys11,utt5,3.125\n",
        clip={"system": "sys11", "mos": 3.125, "split": "test"},
        rating={"value": 3.125},
        num_ratings=1,
    ),
    "sheet means as scores": Example(
        layout="sheet",
        file="nisqa_dev.csv",
        text="wav_path,score,system_id,sample_id\n/c/wav/a.wav,3.125,7,a\n",
        clip={"name": "7-a", "mos": 3.125, "split": "validation"},
        rating={"value": 3.125},
        num_ratings=1,
    ),
    "urgent": Example(
        layout="urgent",
        file="data.jsonl",
        text=json.dumps(URGENT_RECORD) + "\n",
        clip={
            "name": "enh7:0003",
            "audio": "/corpora/x/enh7_0003.flac",
            "system": "enh7",
            "sentence": "0003",
            "mos": 3.5,
        },
        rating={"value": 3.0, "rater": None},
    ),
    "generic listeners": Example(
        layout="generic",
        file="mine.csv",
        text="clip,rater,score,system\nt/a.wav,anna,4,x\nt/b.wav,anna,5,y\n",
        clip={"name": "t/a", "audio": "t/a.wav", "system": "x", "dataset": "mine"},
        rating={"value": 4.0, "rater": "anna", "dimension": "mos"},
    ),
    "generic lists": Example(
        layout="generic",
        file="mine.csv",
        text='clip,scores\na,"[4, 5]"\n',
        clip={"name": "a", "mos": None},
        rating={"value": 4.0},
    ),
    "generic means": Example(
        layout="generic",
        file="mine.csv",
        text="clip,mos,votes,std,sig,sig_std\na,3.5,8,0.5,4.5,0.25\n",
        clip={"mos": 3.5, "mos_votes": 8, "mos_std": 0.5},
        rating={"value": 3.5, "votes": 8, "std": 0.5},
    ),
    "generic list": Example(
        layout="generic",
        file="mine.txt",
        text="a.wav,3.5\nb.wav,4\n",
        clip={"name": "a", "mos": 3.5},
        rating={"value": 3.5},
    ),
}


@pytest.fixture(params=EXAMPLES)
def example(request) -> Example:
    """Every example in turn."""
    return EXAMPLES[request.param]


def written(folder: Path, example: Example) -> Path:
    """The example's file."""
    path = folder / example.file
    path.write_text(example.text, encoding="utf-8")
    return path


def test_an_example_is_detected_as_its_own_layout_and_no_other(tmp_path, example):
    """No two layouts claim one file; the reason shows what the file has."""
    sample = open_table(written(tmp_path, example)).sample

    assert [example.layout] == [fit.layout.name for fit in fits(sample)]
    assert detect([sample])[0].why.startswith(f"{example.file}: ")


@pytest.mark.parametrize("named", [False, True])
def test_an_example_means_what_its_publishers_mean(tmp_path, example, named):
    """Clip and rating say what the layout's documentation promises, detected or named."""
    path = written(tmp_path, example)
    corpus = read_corpus(path, layout=example.layout if named else None)
    clip, rating = corpus.clips.slice(0, 1).to_pylist()[0], corpus.ratings.to_pylist()[0]

    assert example.layout == corpus.layout
    assert example.clip == {name: clip[name] for name in example.clip}
    assert example.rating == {name: rating[name] for name in example.rating}
    assert example.num_ratings == corpus.ratings.num_rows
    assert clip["name"] == rating["clip_id"]
    assert (str(path),) == tuple(corpus.sources)


def test_a_folder_with_one_example_is_read_as_that_layout(tmp_path, example):
    """A corpus's folder is as good as its table."""
    written(tmp_path, example)
    (tmp_path / "README.md").write_text("not a table")

    assert example.layout == read_corpus(tmp_path).layout


def test_every_layout_has_an_example():
    """A new layout comes with one, so that the sweep sees it."""
    have = {example.layout for example in EXAMPLES.values()}

    assert {*LAYOUTS} == have


def test_two_files_of_one_corpus_are_read_together(tmp_path):
    """Scores from one, the official mean from the other; a mean row only where scores lack."""
    paths = [written(tmp_path, EXAMPLES[f"svcc23 {kind}"]) for kind in ("listeners", "means")]
    corpus = read_corpus(paths)

    assert [3.0, 2.0] == corpus.clips["mos"].to_pylist()
    assert [2.0, 4.0, 2.0] == corpus.ratings["value"].to_pylist()
    assert ["anna", "bert", None] == corpus.ratings["rater"].to_pylist()
    assert {"no_rating": 1, "one_vote": 0, "unknown_votes": 1} == {
        code: sum(f.count for f in corpus.findings if f.code == code)
        for code in ("no_rating", "one_vote", "unknown_votes")
    }


def test_the_mixed_test_of_audiomos_is_one_test_with_two_halves(tmp_path):
    """The test is in the file's name; the clips of its second half are the test split."""
    header = "uttID,lisID,rating\n"
    for name, clip in (("utt_mix_val", "1089_1_2"), ("utt_mix_test", "2300_3_4")):
        row = f"audiomos-track3-48k_tts_{clip}.wav,11,4\n"
        (tmp_path / f"{name}.csv").write_text(header + row)
    corpus = read_corpus(tmp_path)

    assert {"mix"} == {*corpus.ratings["test"].to_pylist()}
    assert {"1089": "train", "2300": "test"} == dict(
        zip(corpus.clips["speaker"].to_pylist(), corpus.clips["split"].to_pylist(), strict=True)
    )


def test_a_folder_reads_the_lists_that_belong_together(tmp_path):
    """SOMOS repeats its scores in several files; only one set of them is read."""
    sets = tmp_path / "training_files" / "split1" / "full"
    sets.mkdir(parents=True)
    raw = EXAMPLES["somos listeners"].text
    (tmp_path / "raw_scores.tsv").write_text(raw)
    (sets / "TRAINSET").write_text(raw.replace("\t", ","))
    corpus = read_corpus(tmp_path)

    assert 2 == corpus.ratings.num_rows
    assert {"train"} == {*corpus.clips["split"].to_pylist()}
    assert ["unread_file"] == [f.code for f in corpus.findings if "raw_scores" in str(f.examples)]


def test_files_of_two_layouts_are_refused_with_reasons(tmp_path):
    """The message names both layouts and what gave them away."""
    paths = [written(tmp_path, EXAMPLES[name]) for name in ("pstn", "tencent")]

    with pytest.raises(InvalidRatings, match=r"different layouts.*pstn.*tencent.*deg_wav,mos"):
        read_corpus(paths)


def test_a_file_that_two_layouts_claim_is_refused_with_both(tmp_path):
    """Detection does not choose between two that fit."""
    path = tmp_path / "both.csv"
    path.write_text("deg_wav,audioname,mos\na.wav,a.wav,3\n")

    with pytest.raises(InvalidRatings, match=r"not clear.*tencent.*iub"):
        read_corpus(path)
    assert "iub" == read_corpus(path, layout="iub").layout


def test_a_folder_with_several_unknown_tables_is_refused(tmp_path):
    """Nothing says which belong together."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("clip,score\nx,4\n")

    with pytest.raises(InvalidRatings, match=r"several tables \(a\.csv, b\.csv\)"):
        read_corpus(tmp_path)


def test_a_wrong_layout_says_what_the_file_lacks(tmp_path):
    """The header that it has and the one that the layout has."""
    path = written(tmp_path, EXAMPLES["pstn"])

    with pytest.raises(InvalidRatings, match=r"not of the layout tencent \(filename, MOS"):
        read_corpus(path, layout="tencent")
    with pytest.raises(UnknownName, match="layout"):
        read_corpus(path, layout="pstm")


def test_a_place_without_tables_is_named(tmp_path):
    """A missing file and an empty folder are errors of their own."""
    with pytest.raises(NothingFound, match="no file"):
        read_corpus(tmp_path / "none.csv")
    with pytest.raises(NothingFound, match="No table of a known layout"):
        read_corpus(tmp_path)


def test_a_list_of_clips_completes_a_table_of_ratings(tmp_path):
    """Systems come from the list; clips that only one of the two knows are counted."""
    (tmp_path / "clips.csv").write_text("clip,system,split\na,x,dev\nb,y,dev\n")
    (tmp_path / "ratings.csv").write_text("clip,rater,score\na,anna,4\nc,anna,5\n")
    corpus = read_corpus([tmp_path / "ratings.csv", tmp_path / "clips.csv"])
    findings = {finding.code: finding for finding in corpus.findings}

    assert ["a", "c", "b"] == corpus.clips["name"].to_pylist()
    assert ["x", None, "y"] == corpus.clips["system"].to_pylist()
    assert ["validation", None, "validation"] == corpus.clips["split"].to_pylist()
    assert (1, ("c",)) == (findings["unknown_clip"].count, findings["unknown_clip"].examples)
    assert (1, ("b",)) == (findings["no_rating"].count, findings["no_rating"].examples)


def test_the_list_of_layouts_names_them_all():
    """What ``--help`` shows has a line a layout."""
    lines = describe_layouts().splitlines()

    assert [*LAYOUTS] == [line.split()[0] for line in lines]
