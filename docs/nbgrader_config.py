"""nbgrader's settings for a course of these notebooks; lies beside the folder ``source``."""

from provenance import handout

c = get_config()  # noqa: F821 (nbgrader defines it)

c.CourseDirectory.course_id = "practicals"
# As `make student` does it: no answer, in code or words, no caption's finding and no claim.
c.GenerateAssignment.preprocessors = handout.release_steps()
# A cell of a study may train a network; a cell that hangs ends all the same.
c.ExecutePreprocessor.timeout = 600
# Notebooks import the package from the environment that nbgrader runs in.
c.ExecutePreprocessor.kernel_name = "python3"
