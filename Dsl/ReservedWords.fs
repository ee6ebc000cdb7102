/// Words that the language keeps for itself: no layer, value or number may be called so.
module internal CnnCluster.Dsl.ReservedWords

/// What begins a statement of a network, besides layers.
let statements =
    [ "input"; "repeat"; "if"; "let"; "as"; "from"; "output"; "defaults" ]

/// What means something by itself wherever a name could stand.
let values = [ "here"; "same"; "valid"; "yes"; "no"; "true"; "false" ]

/// What joins the parts of an expression or a statement.
let joints = [ "else"; "not"; "and"; "or"; "in" ]

let all = statements @ values @ joints
