"""Average precision as ActivityNet's official detection evaluation defines it, one class and one threshold at a time.

Every detection of the class, best first, looks at the segments of its video from the highest tIoU down. Below the
threshold it is a false positive; a segment that another detection holds at this threshold is passed over; the first
free one makes it a true positive; if all are held, it is a false positive. In a video without segments every detection
is false. The curve is interpolated: between points of recall 0 and 1 with precision 0, each precision becomes the
highest of those that follow, and the area is summed wherever recall changes.
"""


def average_precision(truth, detected, threshold):
    """[(video, start, end)], [(video, start, end, score)] -> a fraction."""
    if not detected:
        return 0.0
    holder = {}
    true, false = [], []
    for number, (video, start, end, _) in enumerate(sorted(detected, key=lambda row: row[3], reverse=True)):
        own = [index for index, segment in enumerate(truth) if segment[0] == video]
        own.sort(key=lambda index: overlap(truth[index][1:], (start, end)), reverse=True)
        true.append(0)
        false.append(0)
        for index in own:
            if overlap(truth[index][1:], (start, end)) < threshold:
                break
            if index not in holder:
                holder[index] = number
                true[-1] = 1
                break
        false[-1] = 1 - true[-1]
    found = missed = 0
    precision, recall = [0.0], [0.0]
    for hit, miss in zip(true, false, strict=True):
        found, missed = found + hit, missed + miss
        precision.append(found / (found + missed))
        recall.append(found / len(truth))
    precision.append(0.0)
    recall.append(1.0)
    for place in range(len(precision) - 2, -1, -1):
        precision[place] = max(precision[place], precision[place + 1])
    steps = (place for place in range(1, len(recall)) if recall[place] != recall[place - 1])
    return sum((recall[place] - recall[place - 1]) * precision[place] for place in steps)


def overlap(one, other):
    common = min(one[1], other[1]) - max(one[0], other[0])
    if common <= 0:
        return 0.0
    return common / ((one[1] - one[0]) + (other[1] - other[0]) - common)
