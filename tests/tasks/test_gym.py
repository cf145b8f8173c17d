import pytest

from tunix_rt_nb import tasks
from tunix_rt_nb.tasks.gym import GymTask, _dataset, gym

FASTER = [
    task
    for task in tasks.TASKS.values()
    if issubclass(task, GymTask) and task.faster is not GymTask.faster
]


@pytest.mark.parametrize("level", tasks.DIFFICULTIES)
@pytest.mark.parametrize("task", FASTER, ids=lambda task: task.name)
def test_the_faster_drawing_draws_what_reasoning_gym_draws(task: type[GymTask], level: str) -> None:
    library = gym().create_dataset(task.name, seed=0, size=1, **task.settings[level])
    ours = _dataset(task, level)
    for index in (*range(20), *(7**k for k in range(2, 22))):
        item, same = library[index], ours[index]
        assert same["question"] == item["question"]
        answer = (
            tasks.get(task.name, level)
            .solution(tasks.get(task.name, level).read(item["question"].strip()), "coarse")
            .answer
        )
        assert library.score_answer(answer, item) == ours.score_answer(answer, same) == 1.0
