"""AR@AN and AUC as the official ActivityNet evaluator computes them, with loops over everything."""

import numpy as np


def evaluate(ground_truth, proposals, max_average=100, luck=0):
    """{video: [(start, end)]}, {video: [(start, end, score)]} → recall [tIoU, AN], AR [AN], AUC (percent).

    Equal scores keep the order given. With a luck of 1 (-1) they stand, for each segment by itself, in the best
    (worst) order of tIoU, so that no order of the proposals gives higher (lower) figures.
    """
    thresholds = np.linspace(0.5, 0.95, 10)
    videos = [video for video in ground_truth if len(ground_truth[video])]
    given = sum(len(found) for found in proposals.values())
    ratio = max_average * float(len(videos)) / given

    tious = []
    retrieved = 0
    for video in videos:
        segments = np.asarray(ground_truth[video])
        found = np.asarray(proposals.get(video, []))
        if len(found) == 0:
            tious.append(np.zeros((len(segments), 1)))
            continue
        number = min(int(len(found) * ratio), len(found))
        retrieved += number
        rows = np.array([[tiou(segment, proposal) for proposal in found] for segment in segments])
        order = [np.lexsort([-luck * row, -found[:, 2]]) for row in rows]  # stable
        tious.append(np.take_along_axis(rows, np.array(order), axis=1)[:, :number])
    share = np.arange(1, 101) / 100.0 * (max_average * float(len(videos)) / retrieved)
    return recalls(tious, thresholds, share, share * (float(retrieved) / len(videos)))


def recalls(tious, thresholds, share, average_number):
    """tIoU [segment, proposal] of each video → recall, AR and AUC: the part that takes the time."""
    recall = np.empty((len(thresholds), len(share)))
    positives = sum(tiou.shape[0] for tiou in tious)
    for row, threshold in enumerate(thresholds):
        matches = np.empty((len(tious), len(share)))
        for i, tiou in enumerate(tious):
            reached = tiou >= threshold
            numbers = np.minimum((tiou.shape[1] * share).astype(int), tiou.shape[1])
            for j, number in enumerate(numbers):
                matches[i, j] = np.count_nonzero(reached[:, :number].sum(axis=1))
        recall[row] = matches.sum(axis=0) / positives
    average = recall.mean(axis=0)
    area = 0.0
    for j in range(len(share) - 1):
        area += (average[j] + average[j + 1]) / 2 * (average_number[j + 1] - average_number[j])
    return recall, average, 100.0 * area / average_number[-1]


def tiou(one, other):
    intersection = max(min(one[1], other[1]) - max(one[0], other[0]), 0.0)
    union = (one[1] - one[0]) + (other[1] - other[0]) - intersection
    return intersection / union if union else 0.0


def detection_map(ground_truth, detected, thresholds):
    """{video: [(start, end, class)]}, {class: {video: [(start, end, score)]}} → mAP at each threshold, in percent."""
    classes = sorted({label for segments in ground_truth.values() for *_, label in segments})
    return [100 * np.mean([average_precision(ground_truth, detected, c, t) for c in classes]) for t in thresholds]


def average_precision(ground_truth, detected, label, threshold):
    truth = [(video, s, e) for video, segments in ground_truth.items() for s, e, c in segments if c == label]
    found = [(video, *row) for video, rows in detected.get(label, {}).items() for row in rows]
    found.sort(key=lambda row: -row[3])  # stable
    free = set(range(len(truth)))
    hits, precision, recall = 0, [], []
    for rank, (video, start, end, _) in enumerate(found, 1):
        own = [i for i in range(len(truth)) if truth[i][0] == video]
        own.sort(key=lambda i: -tiou(truth[i][1:], (start, end)))
        for i in own:
            if tiou(truth[i][1:], (start, end)) < threshold:
                break
            if i in free:
                free.remove(i)
                hits += 1
                break
        precision.append(hits / rank)
        recall.append(hits / len(truth))
    area, last = 0.0, 0.0
    for i in range(len(found)):
        area += (recall[i] - last) * max(precision[i:])
        last = recall[i]
    return area
