"""The files of the Google Landmarks Dataset v2: labels, solutions, photos, submissions.

    train.csv                            id,url,landmark_id       (url may be missing)
    train_clean.csv                      landmark_id,images       ids separated by spaces
    train_label_to_category.csv          landmark_id,category
    index.csv                            id
    index_image_to_landmark.csv          id,landmark_id
    test.csv                             id
    retrieval_solution_v2.1.csv          id,images,Usage          Public, Private or Ignored
    recognition_solution_v2.1.csv        id,landmarks,Usage
    {train,index,test}/a/b/c/abc*.jpg    folders: the first three characters of the id

(Weyand et al., "Google Landmarks Dataset v2", CVPR 2020, and its repository's README.)
"""

from steeple.datasets.gldv2.folder import GldV2, Split, is_gldv2
from steeple.datasets.gldv2.labels import (
    read_categories,
    read_ids,
    read_index_landmarks,
    read_train,
    read_train_clean,
    read_train_urls,
    write_categories,
    write_ids,
    write_index_landmarks,
    write_train,
    write_train_clean,
)
from steeple.datasets.gldv2.solutions import (
    Usage,
    read_recognition_solution,
    read_retrieval_solution,
    write_recognition_solution,
    write_retrieval_solution,
)
from steeple.datasets.gldv2.submissions import (
    MAX_RETRIEVED,
    read_recognition_submission,
    read_retrieval_submission,
    write_recognition_submission,
    write_retrieval_submission,
)
from steeple.datasets.gldv2.writing import write_rows

__all__ = [
    "MAX_RETRIEVED",
    "GldV2",
    "Split",
    "Usage",
    "is_gldv2",
    "read_categories",
    "read_ids",
    "read_index_landmarks",
    "read_recognition_solution",
    "read_recognition_submission",
    "read_retrieval_solution",
    "read_retrieval_submission",
    "read_train",
    "read_train_clean",
    "read_train_urls",
    "write_categories",
    "write_ids",
    "write_index_landmarks",
    "write_recognition_solution",
    "write_recognition_submission",
    "write_retrieval_solution",
    "write_retrieval_submission",
    "write_rows",
    "write_train",
    "write_train_clean",
]
