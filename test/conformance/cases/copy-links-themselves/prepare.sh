ln -s /absolute/nowhere context/dir/dangling
