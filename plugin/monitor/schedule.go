package monitor

// schedule is a heap of targets by due time. See container/heap.
type schedule []*Target

func (s schedule) Len() int           { return len(s) }
func (s schedule) Less(i, j int) bool { return s[i].due.Before(s[j].due) }

func (s schedule) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].index, s[j].index = i, j
}

// Push adds x, a *Target.
func (s *schedule) Push(x any) {
	t := x.(*Target)
	t.index = len(*s)
	*s = append(*s, t)
}

// Pop removes the last element.
func (s *schedule) Pop() any {
	last := len(*s) - 1
	t := (*s)[last]
	(*s)[last] = nil
	*s = (*s)[:last]
	return t
}
